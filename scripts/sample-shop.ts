/** The sample of `npm start` and `npm run demo`: a small shop in SQLite. */
import { DatabaseSync } from 'node:sqlite';

export function openShop(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode=WAL; PRAGMA busy_timeout=10000; PRAGMA foreign_keys=ON');
  return database;
}

export function makeShop(file: string): void {
  using database = openShop(file);
  database.exec(`
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price NUMERIC NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0));
    CREATE TABLE sales (id INTEGER PRIMARY KEY, product INTEGER NOT NULL REFERENCES products, quantity INTEGER NOT NULL, at TEXT NOT NULL);
    CREATE INDEX sales_by_product ON sales (product);
    CREATE VIEW revenue AS SELECT name, sum(quantity) AS sold, sum(quantity * price) AS revenue FROM sales JOIN products ON products.id = product GROUP BY name;
    BEGIN`);
  const add = database.prepare('INSERT INTO products (name, price, stock) VALUES (?, ?, 1000000)');
  for (const [kind, price] of [
    ['rope', 4.5],
    ['anchor', 180],
    ['lamp', 32.9],
    ['kelp soap', 3.2],
  ] as const) {
    for (let size = 1; size <= 50; size++) add.run(`${kind} no. ${size}`, price * size);
  }
  database.exec('COMMIT');
  sell(database, 20_000);
}

/** One transaction of sales: stock and sales always agree. */
export function sell(database: DatabaseSync, count: number): void {
  database.exec('BEGIN IMMEDIATE');
  const take = database.prepare('UPDATE products SET stock = stock - ? WHERE id = ?');
  const note = database.prepare("INSERT INTO sales (product, quantity, at) VALUES (?, ?, datetime('now'))");
  for (let n = 0; n < count; n++) {
    const product = 1 + ((n * 7919) % 200);
    const quantity = 1 + (n % 3);
    take.run(quantity, product);
    note.run(product, quantity);
  }
  database.exec('COMMIT');
}
