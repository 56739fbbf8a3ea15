export { type ApiServer, type ApiServerOptions, openApiServer } from './api-server.ts';
export type { Asked, Handlers } from './handlers.ts';
export { type ApiLimits, apiLimits } from './limits.ts';
export { listenDefault } from './listen-address.ts';
export { signPeerRequest } from './peer-signature.ts';
