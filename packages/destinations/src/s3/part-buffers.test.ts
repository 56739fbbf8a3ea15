import { describe, expect, test } from 'vitest';
import { PartBuffers } from './part-buffers.ts';
import { never } from './s3.fixture.ts';

const o = { signal: never };

describe('what writes keep in memory together', () => {
  test('whoever finds too little left waits until others give back, in the order of asking', async () => {
    const buffers = new PartBuffers(100);
    const first = await buffers.acquire(60, o);
    const order: string[] = [];
    const large = buffers.acquire(60, o).then((given) => {
      order.push('large');
      return given;
    });
    // It would fit, but the one before it must not starve.
    const small = buffers.acquire(40, o).then((given) => {
      order.push('small');
      return given;
    });
    await Promise.resolve();
    expect(order).toEqual([]);
    first.release();
    const [given] = await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
    expect(given.bytes).toBe(first.bytes);
  });

  test('giving back twice gives nothing away twice', async () => {
    const buffers = new PartBuffers(10);
    const first = await buffers.acquire(10, o);
    first.release();
    first.release();
    const second = await buffers.acquire(10, o);
    let third = false;
    void buffers.acquire(10, o).then(() => {
      third = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(third).toBe(false);
    second.release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(third).toBe(true);
  });

  test('one that is larger than all that is allowed is given when nothing else is lent', async () => {
    const buffers = new PartBuffers(10);
    const small = await buffers.acquire(1, o);
    const large = buffers.acquire(50, o);
    small.release();
    expect((await large).bytes).toHaveLength(50);
  });

  test('whoever stops waiting lets those behind him through', async () => {
    const buffers = new PartBuffers(10);
    const first = await buffers.acquire(5, o);
    const controller = new AbortController();
    const stopped = buffers.acquire(10, { signal: controller.signal });
    const behind = buffers.acquire(5, o);
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expect((await behind).bytes).toHaveLength(5);
    first.release();
  });
});
