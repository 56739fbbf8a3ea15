/** The server's SQLSTATE behind an error, however often it was wrapped. */
export function sqlStateOf(caught: unknown): string | undefined {
  for (let error = caught, depth = 0; error instanceof Error && depth < 10; error = error.cause, depth++) {
    const code = (error as { code?: unknown }).code;
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code;
  }
  return undefined;
}
