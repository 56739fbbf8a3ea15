import { HoldfastError } from '@holdfast/core';
import type { AzureSaid } from './errors.ts';
import { firstLine } from './service-answer.ts';

const tls =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS|ERR_SSL|EPROTO|HOSTNAME_MISMATCH|INVALID_CA|CRL_)/;
const wire =
  /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EADDRNOTAVAIL|EAI_|ENOTFOUND|REQUEST_SEND_ERROR|PARSE_ERROR|HPE_|ERR_STREAM_)/;
const identityNames =
  /^(?:CredentialUnavailableError|AuthenticationError|AggregateAuthenticationError|AuthenticationRequiredError)$/;

/** No answer came at all: names, connections, certificates, and what the identity's library says. */
export function networkError(error: unknown, { about, endpoint }: AzureSaid): HoldfastError {
  const identity = inChain(error, (at) => identityNames.test(at.name));
  if (identity) {
    return new HoldfastError('unauthenticated', `${about}: no token for this identity`, {
      cause: new Error(firstLine(identity)),
      hint: 'see whether the machine has a managed identity, and clientId names it; identity=default also takes the variables AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or who is logged in with az',
    });
  }
  const found = inChain(error, (at) => codeOf(at) !== undefined);
  const text = error instanceof Error ? firstLine(found ?? error) : 'something that is no error was thrown';
  const code = found && codeOf(found);
  if (code !== undefined && tls.test(code)) {
    return new HoldfastError('precondition_failed', `${about}: no secure connection (${code})`, {
      cause: new Error(text),
      hint: 'for a certificate of your own authority give caFile=/path/ca.pem; else see whether the name in endpoint is that of the certificate, and whether a proxy opens connections',
    });
  }
  if (code === 'ENOTFOUND') {
    return new HoldfastError('unavailable', `${about}: no machine has the name of ${endpoint}`, {
      cause: new Error(text),
      hint: 'see whether account is spelled as in the portal; if it is, whether this machine can look up names',
    });
  }
  if (code !== undefined || /socket hang up|less data than required|more data than|aborted/i.test(text)) {
    return new HoldfastError('unavailable', `${about}: the connection failed (${code ?? 'it ended early'})`, {
      cause: new Error(text),
      hint: `see whether ${endpoint} can be reached from this machine`,
    });
  }
  const inner = HoldfastError.from(error);
  if (inner.code !== 'internal') return inner;
  return new HoldfastError('internal', `${about}: ${text}`, { cause: new Error(text) });
}

function inChain(error: unknown, is: (at: Error) => boolean): Error | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (is(at)) return at;
  return undefined;
}

/** A code that is about a connection: what reads a body may fail with others. */
function codeOf(error: Error): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && (tls.test(code) || wire.test(code)) ? code : undefined;
}
