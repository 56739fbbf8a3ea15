import type { AnswerOf, ApiEvent, InputOf, LogLine, RouteNameOf } from '@holdfast/client';
import type { Sig } from '@holdfast/core';

/** Routes that the server answers by itself, or asks for in another form. */
type ServersOwn = 'getHealth' | 'getOpenApi' | 'getRun';

/** Who asks, and until when somebody waits for the answer. */
export interface Asked extends Sig {
  /** The node that asks, in place of a person who has asked it: what it is told is what this node knows by itself. */
  readonly peer?: string | undefined;
}

/**
 * What a node does behind the API: for each route a method of its name. Input has been checked and has its defaults;
 * answers are checked too, and fields that the contract does not know are taken off. The signal aborts when nobody
 * waits for the answer any more: of writes, only at the end of the server or of the time that a request may take.
 */
export type Handlers = {
  readonly [N in Exclude<RouteNameOf<'json'>, ServersOwn>]: (
    input: InputOf<N> & Asked,
  ) => Promise<AnswerOf<N>>;
} & {
  /** At once: waiting is the server's. */
  readonly getRun: (input: { readonly run: string } & Asked) => Promise<AnswerOf<'getRun'>>;
  /** In the text format of Prometheus. */
  readonly getMetrics: (input: Sig) => Promise<string>;
  /** Oldest first. Rejects, rather than the iteration, when there is no such run. */
  readonly getRunLog: (input: InputOf<'getRunLog'> & Asked) => Promise<AsyncIterable<LogLine>>;
  /** Tells of every change until what it answers is called. The listener returns at once and never throws. */
  readonly subscribe: (listener: (event: ApiEvent) => void) => () => void;
};
