export * from './contract/contract.ts';
export { errorStatus, transportErrors } from './contract/error-status.ts';
export * from './contract/route.ts';
export { schemas } from './contract/schemas.ts';
export type * from './contract/views.ts';
