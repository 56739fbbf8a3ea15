import type { TokenCredential } from '@azure/identity';
import type { AzureAccess } from './access.ts';

/** A credential of the machine's own. Its library is large, and only loaded where it is used. */
export async function identityCredential({ identity, clientId }: AzureAccess): Promise<TokenCredential> {
  const { DefaultAzureCredential, ManagedIdentityCredential } = await import('@azure/identity');
  const managed = clientId === undefined ? {} : { managedIdentityClientId: clientId };
  if (identity === 'default') return new DefaultAzureCredential(managed);
  return clientId === undefined
    ? new ManagedIdentityCredential()
    : new ManagedIdentityCredential({ clientId });
}
