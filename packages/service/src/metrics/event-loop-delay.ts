import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How often Node looks; what it measures has this in it. */
const resolutionMs = 20;

/** How long the process could do nothing else. It does not keep the process alive. */
export class EventLoopDelay implements Disposable {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs });

  constructor() {
    this.#histogram.enable();
  }

  /** The longest delay since the last call. */
  takeMaxMs(): number {
    const maxMs = this.#histogram.max / 1e6;
    this.#histogram.reset();
    return Math.max(0, maxMs - resolutionMs);
  }

  [Symbol.dispose](): void {
    this.#histogram.disable();
  }
}
