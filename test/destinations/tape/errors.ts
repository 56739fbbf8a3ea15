import { HoldfastError } from '@holdfast/core';

const sqliteFull = 13;
const sqliteCantOpen = 14;
const sqliteReadOnly = 8;
const sqliteBusy = 5;

/** What SQLite says of the file that plays the tape, in our words. */
export function tapeError(error: unknown, description: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const { errcode, message } = error as { errcode?: number; message?: string };
  const said = `${description}: ${message ?? error}`;
  // The lower byte is the kind of error, the rest says more of it.
  switch ((errcode ?? 0) & 0xff) {
    case 0:
      return HoldfastError.from(error);
    case sqliteFull:
      return new HoldfastError('exhausted', said, { cause: error, hint: 'put in another tape' });
    case sqliteReadOnly:
      return new HoldfastError('permission_denied', said, { cause: error, hint: 'the tape is protected' });
    case sqliteCantOpen:
      return new HoldfastError('unavailable', said, { cause: error, hint: 'is its folder there?' });
    case sqliteBusy:
      return new HoldfastError('unavailable', said, { cause: error });
    default:
      return new HoldfastError('corrupt', said, { cause: error, hint: 'is this file a tape?' });
  }
}
