import { describe, expect, it } from 'vitest';
import { nodeName, taskNameOf } from './names.ts';

const o = { signal: new AbortController().signal };

it('the node is named after its host', () => {
  expect(nodeName('DB1.example.com')).toBe('db1-example-com');
  expect(nodeName('')).toBe('node');
});

describe('the task of a database', () => {
  it.each([
    ['postgres://u:p@h1,h2:5433/Shop?sslmode=require', 'shop'],
    ['postgres://h/my%20shop', 'my-shop'],
    ['postgresql://h?dbname=shop', 'shop'],
    ['sqlite:./data/shop.db', 'shop'],
    ['sqlite:///var/lib/shop.v2.sqlite3', 'shop-v2'],
    ['sqlite:.hidden', 'hidden'],
    ['sqlite:shop?mode=ro', 'shop'],
  ])('%s is %s', async (url, name) => expect(await taskNameOf(url, o)).toBe(name));

  it('has to be named where the URL does not', async () => {
    for (const url of ['postgres://h', 'postgres://h/', 'postgres://h/日本']) {
      await expect(taskNameOf(url, o)).rejects.toMatchObject({ hint: 'name the task with --name TASK' });
    }
  });
});
