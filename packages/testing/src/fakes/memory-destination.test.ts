import { describeDestination } from '../contracts/destination.ts';
import { MemoryDestination } from './memory-destination.ts';

describeDestination('memory', async () => new MemoryDestination(), { largeBytes: 1_000_000 });
