import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '@holdfast/testing';
import pg from 'pg';

/** What all accounts together hold, always. */
export const bankTotal = 1000 * 1000;

const schema = `
  CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, note text);
  INSERT INTO accounts SELECT i, 1000, repeat('note ', i % 700) FROM generate_series(1, 1000) i;
  ALTER TABLE accounts ALTER note SET STORAGE EXTERNAL;
  CREATE TABLE transfers (id bigserial PRIMARY KEY, debit int REFERENCES accounts, credit int REFERENCES accounts, amount bigint, at timestamptz DEFAULT clock_timestamp());
  CREATE TABLE journal (line text, at timestamptz DEFAULT clock_timestamp());
  CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, what text, doubled int GENERATED ALWAYS AS (length(what) * 2) STORED, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE events_rest PARTITION OF events DEFAULT;
  CREATE INDEX transfers_at ON transfers (at);
`;

/** Moves money between accounts all the time, and changes the schema now and then, until it is told to stop. */
export class Bank {
  readonly #clients: pg.Client[] = [];
  readonly #work: Promise<void>[] = [];
  #stopping = false;
  #failure: unknown;
  transfers = 0;

  static async open(server: PostgresServer, database: string, writers = 2): Promise<Bank> {
    const bank = new Bank();
    for (let n = 0; n < writers + 1; n++) {
      const client = new pg.Client({ connectionString: server.url(database) });
      await client.connect();
      bank.#clients.push(client);
      if (n === 0) await client.query(schema);
    }
    for (const [n, client] of bank.#clients.slice(1).entries()) bank.#work.push(bank.#transfer(client, n));
    return bank;
  }

  async #transfer(client: pg.Client, seed: number): Promise<void> {
    let random = seed + 1;
    const next = (below: number): number => {
      random = (random * 48271) % 2147483647;
      return random % below;
    };
    try {
      while (!this.#stopping) {
        const [debit, credit, amount] = [1 + next(1000), 1 + next(1000), next(50)];
        // In the order of their numbers, so that two writers never wait for each other in a ring.
        const parts = [
          `UPDATE accounts SET balance = balance - ${amount} WHERE id = ${debit}`,
          `UPDATE accounts SET balance = balance + ${amount} WHERE id = ${credit}`,
        ];
        if (debit > credit) parts.reverse();
        await client.query(`BEGIN; ${parts.join('; ')};
          INSERT INTO transfers (debit, credit, amount) VALUES (${debit}, ${credit}, ${amount});
          ${next(10) === 0 ? `INSERT INTO journal (line) VALUES ('transfer ${random}');` : ''}
          ${next(5) === 0 ? `INSERT INTO events (day, what) VALUES ('2026-0${1 + next(2)}-1${next(9)}', repeat('e', ${next(40)}));` : ''}
          ${next(25) === 0 ? `DELETE FROM transfers WHERE id = (SELECT min(id) FROM transfers);` : ''}
          ${next(40) === 0 && seed === 0 ? `UPDATE events SET day = '2026-02-20' WHERE id = (SELECT min(id) FROM events_1);` : ''}
          COMMIT`);
        this.transfers++;
        await sleep(4);
      }
    } catch (error) {
      this.#failure ??= error;
      this.#stopping = true;
    }
  }

  /** Runs statements on a session of its own. */
  async execute(sql: string): Promise<void> {
    await this.#clients[0]?.query(sql);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#work);
    for (const client of this.#clients) await client.end();
    if (this.#failure) throw this.#failure;
  }
}
