import { DatabaseSync } from 'node:sqlite';

/**
 * A process of its own that moves money between accounts without end: `node bank-writer.fixture.ts PATH`. Prints a line
 * when it has begun, and the number of its transactions when it is told to stop by the end of its input.
 */
const db = new DatabaseSync(String(process.argv[2]), { timeout: 10_000 });
db.exec('PRAGMA synchronous=OFF');
const take = db.prepare('UPDATE account SET balance = balance - 1 WHERE id = ?');
const give = db.prepare('UPDATE account SET balance = balance + 1 WHERE id = ?');
const note = db.prepare('INSERT INTO transfer(a, b) VALUES(?, ?)');
const { n } = db.prepare('SELECT count(*) AS n FROM account').get() as { n: number };
let count = 0;
let stopped = false;
process.stdin.on('end', () => {
  stopped = true;
});
process.stdin.resume();

function turn(): void {
  for (let i = 0; i < 5; i++) {
    const [a, b] = [1 + ((count * 7919) % n), 1 + ((count * 104_729 + 13) % n)];
    db.exec('BEGIN IMMEDIATE');
    take.run(a);
    note.run(a, b);
    give.run(b);
    db.exec('COMMIT');
    count += 1;
  }
  if (count === 5) process.stdout.write('begun\n');
  if (!stopped) {
    // SQLite queues nobody: without a journal that readers can pass by, a writer that never pauses keeps them out.
    setTimeout(turn, 2);
    return;
  }
  db.close();
  process.stdout.write(`${count}\n`);
}
turn();
