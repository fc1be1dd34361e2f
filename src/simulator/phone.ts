/** The phone page: pending requests with live updates, and the buttons of a phone. */
import { Hono } from 'hono';
import { csrf } from 'hono/csrf';
import { html } from 'hono/html';
import { streamSSE } from 'hono/streaming';
import type { Enrolment } from './enrolment.ts';
import type { Service } from './service.ts';
import type { Transaction } from './transactions.ts';

export function phonePage(service: Service): Hono {
  const app = new Hono();
  app.use(csrf());
  app.get('/', (c) => c.html(page(service)));
  app.get('/requests', (c) => c.html(list(service)));
  app.get('/events', (c) =>
    streamSSE(c, async (stream) => {
      const { promise: gone, resolve } = Promise.withResolvers<void>();
      const tell = () => void stream.writeSSE({ data: 'change' });
      service.on('change', tell);
      stream.onAbort(() => {
        service.off('change', tell);
        resolve();
      });
      await stream.writeSSE({ data: 'hello' });
      await gone;
    }),
  );
  app.post('/enrolments', async (c) => {
    const { code } = await c.req.parseBody();
    if (typeof code !== 'string' || !service.enrolments.activate(code)) {
      return c.text('not possible: it is over, or there is no such enrolment\n', 409);
    }
    return c.redirect('/', 303);
  });
  app.post('/requests/:txid/:answer', async (c) => {
    const transaction = service.transactions.get(c.req.param('txid'));
    if (transaction === undefined) return c.text('no such request\n', 404);
    const { code } = await c.req.parseBody();
    const done = answer(
      transaction,
      c.req.param('answer'),
      typeof code === 'string' ? code.trim() : undefined,
    );
    if (!done) return c.text('not possible: it is over, or the code is wrong\n', 409);
    return c.redirect('/', 303);
  });
  return app;
}

function answer(transaction: Transaction, what: string, code: string | undefined): boolean {
  switch (what) {
    case 'approve':
      return transaction.approve(code);
    case 'deny':
      return transaction.deny();
    case 'fraud':
      return transaction.reportFraud();
    default:
      return false;
  }
}

function list(service: Service) {
  const shown = [...service.transactions.values()]
    .filter(({ kind }) => kind === 'push' || kind === 'phone')
    .reverse()
    .slice(0, 20);
  const enrolments = service.enrolments.waiting.map(enrolmentCard);
  if (shown.length === 0) return html`${enrolments}<p class="none">No login requests yet.</p>`;
  return html`${enrolments}${shown.map(card)}`;
}

function enrolmentCard({ username, activation_code }: Enrolment) {
  return html`<article class="pending" data-key="enrolment ${activation_code}">
    <h2>Enrolment</h2>
    <dl><dt>User</dt><dd>${username}</dd></dl>
    <form method="post" action="/enrolments">
      <input type="hidden" name="code" value="${activation_code}">
      <button class="yes">Activate</button>
    </form>
  </article>`;
}

function card(transaction: Transaction) {
  const { txid, kind, occasion, pending, state, code } = transaction;
  const rows = [
    ['User', occasion.username],
    ['Application', occasion.application],
    ['Host', occasion.hostname],
    ['Client address', occasion.ipaddr],
    ...Object.entries(occasion.pushinfo),
  ].filter(([, value]) => value !== '');
  return html`<article class="${pending ? 'pending' : state.result}" data-key="${txid} ${pending ? 'pending' : 'over'}">
    <h2>${kind === 'push' ? 'Login request' : 'Phone call'}</h2>
    <dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    ${
      pending
        ? html`<form method="post">
            ${code === undefined ? '' : html`<label>Code from the login screen <input name="code" inputmode="numeric" autocomplete="off" required></label>`}
            <button class="yes" formaction="/requests/${txid}/approve">Approve</button>
            <button class="no" formaction="/requests/${txid}/deny" formnovalidate>Deny</button>
            <button class="fraud" formaction="/requests/${txid}/fraud" formnovalidate>Report as fraud</button>
          </form>`
        : html`<p>${state.status_msg}</p>`
    }
  </article>`;
}

function page(service: Service) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Simulated phone</title>
<style>
  :root { color-scheme: light dark }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 2rem auto; padding: 0 1rem }
  article { border: 1px solid #8886; border-radius: 1rem; padding: 1rem; margin: 1rem 0 }
  article.pending { border-color: #2a7; border-width: 2px }
  h1 { font-size: 1.2rem } h2 { font-size: 1rem; margin: 0 0 .5rem }
  dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem 1rem; margin: 0 0 1rem } dt { opacity: .7 }
  dd { margin: 0; overflow-wrap: anywhere }
  button { font: inherit; color: #fff; border: 0; border-radius: .5rem; padding: .5rem 1.2rem; cursor: pointer }
  form { display: flex; flex-wrap: wrap; gap: .5rem } form label { flex-basis: 100% }
  .yes { background: #17804f } .no { background: #b3261e } .fraud { background: #5f4b00 } input { font: inherit; width: 6rem }
  :focus-visible { outline: 3px solid #36f; outline-offset: 2px }
  #lost { background: #b3261e; color: #fff; border-radius: .5rem; padding: .5rem 1rem }
  label { display: block; margin-bottom: .5rem }
</style>
</head>
<body>
<h1>${service.application.name}: simulated phone</h1>
<p id="lost" role="alert" hidden>The connection is lost. Trying again …</p>
<main aria-live="polite">${list(service)}</main>
<script>
  const main = document.querySelector('main');
  const lost = document.querySelector('#lost');
  const keyOf = (element) => element.dataset.key;
  // What has not changed stays, with its focus and with what was typed.
  const update = async () => {
    const next = document.createElement('main');
    next.innerHTML = await (await fetch('/requests')).text();
    const kept = new Map([...main.children].map((element) => [keyOf(element), element]));
    const wanted = [...next.children].map((element) => kept.get(keyOf(element)) ?? element);
    for (const element of [...main.children]) if (!wanted.includes(element)) element.remove();
    wanted.forEach((element, at) => {
      if (main.children[at] !== element) main.insertBefore(element, main.children[at] ?? null);
    });
  };
  const events = new EventSource('/events');
  events.onmessage = () => update().catch(() => {});
  events.onopen = () => { lost.hidden = true; };
  events.onerror = () => { lost.hidden = false; };
</script>
</body>
</html>`;
}
