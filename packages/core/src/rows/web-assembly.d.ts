/**
 * The few members of the WebAssembly interface that Holdfast uses. `@types/node` leaves them to TypeScript's `dom`
 * library, which would bring `window` and `document` into every file. Remove this when `@types/node` has them.
 */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
}
