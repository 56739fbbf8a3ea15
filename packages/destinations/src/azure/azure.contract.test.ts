import { describeDestination } from '@holdfast/testing';
import { describe } from 'vitest';
import { azuriteForTests, openAzure } from './azure.fixture.ts';

// A server each: it keeps everything that was ever written in memory for a while.
describe('in the container itself', () => {
  const azurite = azuriteForTests();
  describeDestination('azure', () => openAzure(azurite.server));
});

describe('below a prefix, in blocks of one MiB', () => {
  const azurite = azuriteForTests();
  describeDestination('azure', () =>
    openAzure(azurite.server, { prefix: 'some/where', parameters: 'blockSize=1' }),
  );
});
