/** The simulated phone's page in Chromium, as people use it. */
import test, { type ExecutionContext } from 'ava';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Transaction } from '../../src/simulator/transactions.ts';
import { fieldOf, simulatorFor } from '../lib/service.ts';

let browser: Browser;

test.before(async () => {
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});

test.after.always(() => browser?.close());

interface Phone {
  readonly page: Page;
  /** Begins a push; vera's is a Verified Push. */
  readonly push: (user?: string, more?: Readonly<Record<string, string>>) => Promise<Transaction>;
  readonly close: () => Promise<void>;
}

async function phoneFor(t: ExecutionContext, options: BrowserContextOptions = {}): Promise<Phone> {
  const simulator = await simulatorFor(t, { users: { alice: {}, vera: { verifiedPush: true } } });
  const { service, phoneUrl } = simulator;
  const context = await browser.newContext(options);
  t.teardown(() => context.close());
  const page = await context.newPage();
  await page.goto(phoneUrl);
  // From here on changes arrive by the open connection.
  await page.waitForFunction(
    "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/requests'))",
  );
  return {
    page,
    push: async (username = 'alice', more = {}) => {
      const verified = service.preauth({ username, client_supports_verified_push: '1' });
      const begin =
        username === 'vera'
          ? { prompt: 'verified_push1', txid: fieldOf(verified, 'txid') }
          : { prompt: 'push1' };
      const form = { username, factor: 'prompt', async: '1', ...begin, ...more };
      const transaction = service.transactions.get(fieldOf(await service.auth(form), 'txid'));
      if (transaction === undefined) throw new Error('there is no transaction');
      return transaction;
    },
    close: () => simulator.close(),
  };
}

test('a push appears by itself, with what Duo was told', async (t) => {
  const { page, push } = await phoneFor(t);
  await push('alice', { hostname: 'host.example.test', pushinfo: 'Command=%2Fbin%2Fls' });
  const request = page.getByRole('article');
  await request.waitFor();
  for (const text of ['alice', 'host.example.test', '/bin/ls'])
    t.true((await request.textContent())?.includes(text));
});

for (const [button, result] of [
  ['Approve', 'allow'],
  ['Deny', 'deny'],
  ['Report as fraud', 'deny'],
] as const) {
  test(`the button ${button}`, async (t) => {
    const { page, push } = await phoneFor(t);
    const transaction = await push();
    await page.getByRole('button', { name: button }).click();
    await page.locator('article:not(.pending)').waitFor();
    t.is(transaction.state.result, result);
    if (button === 'Report as fraud') t.regex(transaction.state.status_msg, /fraud/i);
    t.is(await page.getByRole('button').count(), 0);
  });
}

test('a Verified Push takes the code from the login screen', async (t) => {
  const { page, push } = await phoneFor(t);
  const transaction = await push('vera');
  const code = page.getByLabel('Code from the login screen');
  await code.fill('000000');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByText('the code is wrong').waitFor();
  t.true(transaction.pending);
  await page.goBack();
  await code.fill(transaction.code ?? '');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.locator('article:not(.pending)').waitFor();
  t.is(transaction.state.result, 'allow');
});

test('the keyboard is enough', async (t) => {
  const { page, push } = await phoneFor(t);
  const transaction = await push();
  await page.getByRole('button', { name: 'Approve' }).waitFor();
  await page.keyboard.press('Tab');
  t.is(await page.evaluate('document.activeElement?.textContent'), 'Approve');
  await page.keyboard.press('Tab');
  t.is(await page.evaluate('document.activeElement?.textContent'), 'Deny');
  await page.keyboard.press('Enter');
  await page.locator('article:not(.pending)').waitFor();
  t.is(transaction.state.result, 'deny');
});

test('an update keeps focus and what was typed', async (t) => {
  const { page, push } = await phoneFor(t);
  await push('vera');
  const code = page.getByLabel('Code from the login screen');
  await code.pressSequentially('12');
  await push('alice');
  await page.locator('article').nth(1).waitFor();
  await page.keyboard.type('34');
  t.is(await code.inputValue(), '1234');
  await page.getByRole('button', { name: 'Deny' }).last().focus();
  await push('alice');
  await page.locator('article').nth(2).waitFor();
  t.is(await page.evaluate('document.activeElement?.textContent'), 'Deny');
});

test('every input has a label, and updates are announced', async (t) => {
  const { page, push } = await phoneFor(t);
  await push('vera');
  await page.getByRole('article').waitFor();
  t.is(await page.getByLabel('Code from the login screen').count(), 1);
  t.is(await page.locator('input:not([type=hidden])').count(), 1);
  t.is(await page.locator('html').getAttribute('lang'), 'en');
});

/** The lowest contrast of a text to its background, as WCAG computes it. */
const CONTRAST = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const page = matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  const backgroundOf = (element) => {
    if (element === null) return page;
    const color = rgba(getComputedStyle(element).backgroundColor);
    return color[3] === 255 ? color : backgroundOf(element.parentElement);
  };
  const luminance = (color) => {
    const [red, green, blue] = color.map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratios = [...document.querySelectorAll('h1, h2, dt, dd, p, label, button')].map((element) => {
    const background = backgroundOf(element);
    const { color, opacity } = getComputedStyle(element);
    const shown = rgba(color).map((value, index) => value * opacity + background[index] * (1 - opacity));
    const [low, high] = [luminance(shown), luminance(background)].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  });
  return Math.min(...ratios);
})()`;

for (const colorScheme of ['light', 'dark'] as const) {
  test(`texts are readable in the ${colorScheme} color scheme`, async (t) => {
    const { page, push } = await phoneFor(t, { colorScheme });
    await push('vera');
    await page.getByRole('article').waitFor();
    const lowest = await page.evaluate<number>(CONTRAST);
    t.true(lowest >= 4.5, String(lowest));
  });
}

test('many requests fit a narrow screen', async (t) => {
  const { page, push } = await phoneFor(t, { viewport: { width: 390, height: 844 } });
  for (let number = 0; number < 30; number += 1)
    await push('vera', { hostname: `${'a-very-long-host-name-'.repeat(4)}${number}` });
  await page.locator('article').nth(19).waitFor();
  t.true(await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'));
  for (const button of await page.getByRole('button').all()) {
    const box = await button.boundingBox();
    t.true(box !== null && box.x >= 0 && box.x + box.width <= 390 && box.height >= 24);
  }
});

test('a lost connection is shown', async (t) => {
  const { page, close } = await phoneFor(t);
  t.false(await page.getByRole('alert').isVisible());
  await close();
  await page.getByRole('alert').waitFor();
  t.regex((await page.getByRole('alert').textContent()) ?? '', /The connection is lost/);
});
