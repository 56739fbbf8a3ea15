import { randomUUID } from 'node:crypto';

export interface RadosgwPlaces {
  readonly folder: string;
  readonly port: number;
  /** Serves https with `tls.pem` of the folder. */
  readonly tlsPort?: number | undefined;
  readonly monitorPort: number;
  /** What the store in memory holds at most. */
  readonly memoryBytes: number;
}

export interface RadosgwConfig {
  readonly fsid: string;
  readonly text: string;
}

/** Classes that tests write into; `STANDARD` is there anyway. */
export const radosgwStorageClasses = ['STANDARD_IA', 'GLACIER', 'DEEP_ARCHIVE'] as const;

/** Ceph's configuration: one monitor, one store in memory and one gateway, which only this machine can reach. */
export function radosgwConfig(places: RadosgwPlaces): RadosgwConfig {
  const { folder, port, tlsPort, monitorPort, memoryBytes } = places;
  const fsid = randomUUID();
  const tls =
    tlsPort === undefined ? '' : ` ssl_endpoint=127.0.0.1:${tlsPort} ssl_certificate=${folder}/server.pem`;
  const text = `[global]
fsid = ${fsid}
mon host = v2:127.0.0.1:${monitorPort}/0
mon initial members = a
public network = 127.0.0.0/8
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
# The gateway hangs without these three when nobody has to log in.
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
# Each pool is one proposal; by default each waits a second.
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
mon election timeout = 1
osd client message size cap = 0
client mount timeout = 30
rados mon op timeout = 30
auth cluster required = none
auth service required = none
auth client required = none
log file = ${folder}/log/$name.log
run dir = ${folder}/run
admin socket = ${folder}/run/$name.asok
pid file = ${folder}/run/$name.pid
crash dir = ${folder}/log
log to stderr = false
err to stderr = true
mon cluster log file = ${folder}/log/cluster.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail crit = 1
mon data avail warn = 1
mon pg warn on too few per osd = false
[mon.a]
mon data = ${folder}/mon
[osd.0]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = ${memoryBytes}
osd max object name len = 4096
osd class load list = *
osd class default list = *
[client]
# Without tcp_nodelay each small answer takes 40 ms.
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1${tls}
rgw data = ${folder}/rgw
rgw enable usage log = false
rgw run sync thread = false
rgw enable gc threads = true
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw enable lc threads = true
rgw enable quota threads = false
rgw init timeout = 60
rgw bucket quota ttl = 0
rgw user quota bucket sync interval = 1
`;
  return { fsid, text };
}
