/** So that what was done before and what is done after are apart on a clock that counts milliseconds. */
export async function nextMillisecond(): Promise<void> {
  const since = Date.now();
  while (Date.now() <= since + 1) await new Promise((resolve) => setImmediate(resolve));
}
