/** Takes docs/phone.png: the simulated phone's page in Chromium, with a push, a Verified Push and one that was denied. */
import { chromium } from 'playwright-core';
import { startSimulator } from '../src/simulator/simulator.ts';
import { fieldOf } from '../test/lib/service.ts';

const FILE = 'docs/phone.png';
const HOST = { ipaddr: '198.51.100.7', hostname: 'web1.example.test' };

const { service, phoneUrl, close } = await startSimulator({
  users: { alice: {}, vera: { verifiedPush: true } },
});

const push = (form: Readonly<Record<string, string>>) =>
  fieldOf(service.auth({ factor: 'prompt', async: '1', ...HOST, ...form }), 'txid');

const denied = push({ username: 'alice', prompt: 'push1' });
service.transactions.get(denied)?.deny();
const txid = fieldOf(service.preauth({ username: 'vera', client_supports_verified_push: '1' }), 'txid');
push({ username: 'vera', prompt: 'verified_push1', txid });
push({ username: 'alice', prompt: 'push1', pushinfo: 'Command=%2Fusr%2Fbin%2Fapt%20upgrade' });

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
const page = await browser.newPage({ viewport: { width: 390, height: 780 }, deviceScaleFactor: 1 });
await page.goto(phoneUrl);
await page.getByRole('article').nth(2).waitFor();
await page.screenshot({ path: FILE });
await browser.close();
await close();
