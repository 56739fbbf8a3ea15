import type { Change, Entry, Revision } from '@holdfast/core';
import { Event_EventType, type KeyValue } from './etcd.generated.ts';
import type { KeySpace } from './key-space.ts';

/** The events of one revision, as they come. */
export class RevisionEvents {
  readonly revision: Revision;
  readonly #keys: KeySpace;
  readonly #puts: Entry[] = [];
  readonly #deletes: string[] = [];

  constructor(keys: KeySpace, revision: Revision) {
    this.#keys = keys;
    this.revision = revision;
  }

  get isEmpty(): boolean {
    return this.#puts.length === 0 && this.#deletes.length === 0;
  }

  add(type: Event_EventType, pair: KeyValue): void {
    if (type === Event_EventType.DELETE) this.#deletes.push(this.#keys.keyOf(pair));
    else this.#puts.push(this.#keys.entryOf(pair));
  }

  change(): Change {
    return { revision: this.revision, puts: this.#puts, deletes: this.#deletes };
  }
}
