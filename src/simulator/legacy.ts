/**
 * Duo's older REST API v1 with BSON replies, which duo_unix 1.11.3 speaks (Debian 12's libpam-duo and login-duo). The facts
 * were read off the wire; test/hosts/legacy.test.ts runs these packages. Our own client speaks v2 only.
 *
 * - `Authorization: Basic base64(ikey:hex)`; hex is the HMAC-SHA1 over method, host without port, path and parameters, a
 *   line each. There is no `Date` header. Parameters are sorted and encoded as in RFC 3986; `pushinfo` is encoded twice.
 * - preauth sends `failmode` (`open`, `closed`), `hostname`, `ipaddr`, `user`. auth adds `async`, `auto` (`push1` or the
 *   answer), `factor=auto` and `pushinfo`. `async` is 0 for sshd and for login_duo with `autopush` or without a terminal.
 * - Requests are written in six pieces without TCP_NODELAY: about 45 ms each on loopback, from the second request on.
 * - A broken connection is retried three times, `auth` too. 401 and 5xx in preauth are `failmode`; another 4xx is an abort;
 *   after preauth every failure denies. PAM_MAXTRIES comes after three prompts. An unreadable configuration lets in.
 */
import { encodeBson } from './bson.ts';
import { type Form, invalid, required } from './failure.ts';
import type { Service } from './service.ts';
import type { State } from './transactions.ts';
import { serveCalls, type Wire } from './wire.ts';

const BSON_WIRE: Wire = {
  suffix: '.bson',
  contentType: 'application/bson',
  dated: false,
  encode: encodeBson,
};

/** What stands below `/rest/v1`. */
export function legacyApi(service: Service) {
  return serveCalls(service, BSON_WIRE, [
    { method: 'GET', name: 'ping', unsigned: true, answer: () => 'pong' },
    { method: 'GET', name: 'check', answer: () => 'valid' },
    { method: 'POST', name: 'preauth', answer: (form) => preauth(service, form) },
    { method: 'POST', name: 'auth', answer: (form) => auth(service, form) },
    { method: 'GET', name: 'status', answer: (form) => status(service, form) },
  ]);
}

/** `{result, status}`, or the menu: `{result: 'auth', prompt, factors}`. `status` is text to show. */
function preauth(service: Service, form: Form) {
  const username = required(form, 'user');
  const { result, status_msg, enroll_portal_url, prompt } = service.preauth({ username, text_prompt: '1' });
  if (prompt?.factors !== undefined) return { result, prompt: prompt.text, factors: prompt.factors };
  // Such a client can show the link only here.
  return {
    result,
    status: enroll_portal_url === undefined ? status_msg : `${status_msg}: ${enroll_portal_url}`,
  };
}

/** `{result, status}` when the user has decided, or `{txid}` at once. */
async function auth(service: Service, form: Form) {
  const username = required(form, 'user');
  if (required(form, 'factor') !== 'auto') throw invalid('factor');
  const reply = await service.auth({ ...form, username, factor: 'prompt', prompt: required(form, 'auto') });
  return 'txid' in reply ? reply : { result: reply.result, status: reply.status_msg };
}

/** `{event, status}`, and when it is over `{event, result, status}`. */
async function status(service: Service, form: Form) {
  const { result, status, status_msg }: State = await service.authStatus(form);
  return { event: status, ...(result === 'waiting' ? {} : { result }), status: status_msg };
}
