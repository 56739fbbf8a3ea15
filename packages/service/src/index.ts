export * from './defaults.ts';
export * from './diagnose.ts';
export * from './drivers.ts';
export * from './interpolate.ts';
export * from './open.ts';
export * from './perform.ts';
export * from './run-parent.ts';
export { RunProcess } from './run-process.ts';
export type * from './run-request.ts';
