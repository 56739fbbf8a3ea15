import { HoldfastError } from '@holdfast/core';

/** Whether nobody has answered, or not to the end: what was asked may have been done all the same. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Unanswered;
}

/** Nobody has answered a request, or not to the end: another server may be asked, if that can do no harm. */
export class Unanswered extends HoldfastError {
  /** Whether the server may have done what it was asked for. */
  readonly mayBeDone: boolean;

  constructor(error: HoldfastError, mayBeDone: boolean) {
    super(error.code, error.reason, { hint: error.hint, cause: error.cause });
    this.mayBeDone = mayBeDone;
  }

  /** The same with another next step. */
  withHint(hint: string): Unanswered {
    const error = new HoldfastError(this.code, this.reason, { hint, cause: this.cause });
    return new Unanswered(error, this.mayBeDone);
  }
}
