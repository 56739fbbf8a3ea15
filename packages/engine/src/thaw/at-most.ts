/** Works on all items, at most so many at once; the first failure is the answer, and no further item is begun. */
export async function atMost<Item>(
  max: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  let failed = false;
  const lane = async (): Promise<void> => {
    // All lanes take from one iterator, so that each item is taken once.
    for (const item of left) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(max, items.length) }, lane);
  // All have ended before the failure is told: nothing goes on behind the caller's back.
  await Promise.allSettled(lanes);
  await Promise.all(lanes);
}
