// Whether the node of this container lives: ends with 0 when GET /health answers 200, with 1 otherwise.
import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';

// biome-ignore lint/suspicious/noUndeclaredEnvVars: it is the command's own, and no build reads it
const url = new URL('/health', process.env.HOLDFAST_SERVER || 'http://127.0.0.1:6362');
// The node asks itself, and sends nothing secret: whoever signed its certificate is none of the probe's business.
const options = { rejectUnauthorized: false, timeout: 4_000 };
const request = (url.protocol === 'https:' ? overHttps : overHttp)(url, options, (answer) => {
  process.exit(answer.statusCode === 200 ? 0 : 1);
});
request.on('timeout', () => request.destroy(new Error('no answer within 4 seconds')));
request.on('error', (error) => {
  process.stderr.write(`${url}: ${error.message}\n`);
  process.exitCode = 1;
});
request.end();
