/** Of one server; a limit on everything that a client could have more and more of. */
export const apiLimits = {
  connectionsMax: 512,
  /** Readers of events. */
  streamsMax: 100,
  /** What waits for one reader of events; more, and it is disconnected. */
  queuedEventsMax: 1_000,
  queuedBytesMax: 1024 * 1024,
  heartbeatMs: 15_000,
  /** For an answer to begin; a long poll's wait comes on top. */
  answerMs: 50_000,
  /** For a request to come in whole. */
  requestMs: 30_000,
  /** For requests in flight when the server is closed. */
  closeMs: 5_000,
  tokenCharactersMin: 16,
} as const;

export type ApiLimits = { readonly [K in keyof typeof apiLimits]: number };
