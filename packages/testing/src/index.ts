export { type ClockUnderTest, describeClock } from './contracts/clock.ts';
export { type ClusterStoreContractOptions, describeClusterStore } from './contracts/cluster-store.ts';
export type { ClusterStoreHarness, OpenClusterStore } from './contracts/cluster-store-harness.ts';
export { type DestinationContractOptions, describeDestination } from './contracts/destination.ts';
export { bodyOf, collect, gatedBody, seededBytes, sha256Of } from './contracts/destination-bodies.ts';
export { listed, listedKeys, type OpenEmpty, reopen } from './contracts/destination-handles.ts';
export type { OpenExpecting } from './contracts/destination-repository.ts';
export { describeSource, type OpenSource, type SourceHarness, type SourcePlace } from './contracts/source.ts';
export { printed } from './contracts/source-reading.ts';
export { ColdMemoryDestination, type ColdMemoryOptions } from './fakes/cold-memory-destination.ts';
export { type FailingDestination, failing, type Script, type Step, type Verb } from './fakes/failing.ts';
export {
  type FailingStore,
  failingStore,
  type StoreScript,
  type StoreStep,
  type StoreVerb,
} from './fakes/failing-store.ts';
export { FakeClock, type FakeClockOptions } from './fakes/fake-clock.ts';
export { FaultyClusterStore, type FaultyClusterStoreOptions } from './fakes/faulty-cluster-store.ts';
export { FaultyLine, type LineFaults, noFaults } from './fakes/faulty-line.ts';
export { MemoryClusterStore, type MemoryClusterStoreOptions } from './fakes/memory-cluster-store.ts';
export { MemoryClusterTable } from './fakes/memory-cluster-table.ts';
export {
  bigType,
  MemoryDatabase,
  type MemoryRow,
  type MemoryTransaction,
  positionText,
  texts,
} from './fakes/memory-database.ts';
export { MemoryDestination } from './fakes/memory-destination.ts';
export { MemorySource, type MemorySourceOptions } from './fakes/memory-source.ts';
export type { MemoryFault } from './fakes/memory-source-worker.ts';
export { MemoryStaging, type StagingCrash } from './fakes/memory-staging.ts';
export { SeededRandom } from './fakes/seeded-random.ts';
export { SimulatedMachine, SimulatedProcess } from './fakes/simulated-process.ts';
export { SimulatedStore } from './fakes/simulated-store.ts';
export { SimulatedTime } from './fakes/simulated-time.ts';
export { SqliteDestination } from './fakes/sqlite-destination.ts';
export {
  type DiskWay,
  type MountedRun,
  remountReadOnly,
  runMounted,
  unmount,
} from './faults/run-mounted.ts';
export { TcpLine } from './faults/tcp-line.ts';
export { type ProxyMode, TcpProxy, type TcpProxyOptions } from './faults/tcp-proxy.ts';
export { type AzuriteOptions, startAzurite } from './servers/azurite.ts';
export { AzuriteServer } from './servers/azurite-server.ts';
export { ColdS3Proxy, startColdS3Proxy, type ThawRequest } from './servers/cold-s3-proxy.ts';
export { type EtcdOptions, startEtcd } from './servers/etcd.ts';
export { EtcdCluster } from './servers/etcd-cluster.ts';
export { EtcdMember } from './servers/etcd-member.ts';
export { freePort } from './servers/free-port.ts';
export { FtpStub, type FtpStubBehaviour } from './servers/ftp-stub.ts';
export { findPostgres, newestPostgres, type PostgresInstallation } from './servers/postgres-installation.ts';
export { PostgresServer, type PostgresSettings, type PostgresStopMode } from './servers/postgres-server.ts';
export { Proftpd, type ProftpdOptions, startProftpd } from './servers/proftpd.ts';
export { Radosgw, type RadosgwOptions, type RadosgwUser, startRadosgw } from './servers/radosgw.ts';
export { quoteName, quoteText, runPsql } from './servers/run-psql.ts';
export { Sshd, type SshdOptions, startSshd } from './servers/sshd.ts';
export {
  FaultySftp,
  type FaultySftpOptions,
  type SftpTrouble,
  startFaultySftp,
} from './servers/sshd-faulty.ts';
export { makeSshKey, type SshKey, type SshKeyType } from './servers/sshd-keys.ts';
export { type PostgresOptions, startPostgres, testSettings } from './servers/start-postgres.ts';
export { type StandbyOptions, startStandby } from './servers/start-standby.ts';
export { type TemporaryDatabase, temporaryDatabase } from './servers/temporary-database.ts';
export { type TemporaryFolder, temporaryFolder } from './servers/temporary-folder.ts';
export {
  type TestCertificate,
  type TestCertificates,
  testCertificates,
} from './servers/test-certificates.ts';
export { type CompareOptions, compareDatabases } from './sqlite-compare.ts';
