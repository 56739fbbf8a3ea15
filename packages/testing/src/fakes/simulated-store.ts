import { HoldfastError } from '@holdfast/core';
import { MemoryClusterTable } from './memory-cluster-table.ts';
import type { SimulatedTime } from './simulated-time.ts';

interface Lease {
  readonly ttlMs: number;
  expiresAtMs: number;
}

/** The far end of `FaultyClusterStore`: a table, leases that expire by its own clock, and times when it is down. */
export class SimulatedStore {
  readonly table: MemoryClusterTable;
  readonly time: SimulatedTime;
  readonly #leases = new Map<string, Lease>();
  #leasesCount = 0;
  #isDown = false;

  constructor(options: { readonly time: SimulatedTime; readonly table?: MemoryClusterTable }) {
    this.time = options.time;
    this.table = options.table ?? new MemoryClusterTable();
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  get leases(): readonly string[] {
    return [...this.#leases.keys()];
  }

  grant(ttlMs: number): string {
    if (!(ttlMs > 0)) throw new HoldfastError('config_invalid', `a time to live of ${ttlMs} ms`);
    this.#leasesCount += 1;
    const id = `lease-${this.#leasesCount}`;
    this.#leases.set(id, { ttlMs, expiresAtMs: this.time.nowMs + ttlMs });
    this.table.openSession(id);
    this.#expireLater(id, ttlMs);
    return id;
  }

  /** Whether there still is such a lease; it lasts another time to live then. */
  keepAlive(id: string): boolean {
    const lease = this.#leases.get(id);
    if (lease) lease.expiresAtMs = this.time.nowMs + lease.ttlMs;
    return lease !== undefined;
  }

  revoke(id: string): void {
    if (this.#leases.delete(id)) this.table.endSession(id);
  }

  /** Requests are lost, and no lease expires. */
  goDown(): void {
    this.#isDown = true;
  }

  /** Back with all that it had. Who leads anew gives every lease its whole time again; not every store does. */
  comeBack(o: { readonly renewsLeases: boolean }): void {
    this.#isDown = false;
    for (const [id, lease] of this.#leases) {
      if (o.renewsLeases) lease.expiresAtMs = this.time.nowMs + lease.ttlMs;
      this.#expireLater(id, Math.max(0, lease.expiresAtMs - this.time.nowMs));
    }
  }

  #expireLater(id: string, ms: number): void {
    this.time.after(ms, () => {
      const lease = this.#leases.get(id);
      if (!lease || this.#isDown) return;
      const leftMs = lease.expiresAtMs - this.time.nowMs;
      if (leftMs > 0) this.#expireLater(id, leftMs);
      else this.revoke(id);
    });
  }
}
