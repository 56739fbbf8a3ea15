/** Every asynchronous call of a port takes the signal that may end it; after an abort nothing stored changes. */
export interface Sig {
  readonly signal: AbortSignal;
}
