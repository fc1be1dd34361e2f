/** The Auth API v2 over HTTP: judges each request, lets faults happen, and puts the service's answers into envelopes. */
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { answerRaw, hugeBody } from './faults.ts';
import { ApiFailure, type Form, type Service } from './service.ts';
import { refusal } from './signature.ts';

type Bindings = { Bindings: HttpBindings };
type Handler = (form: Form) => unknown;

const MAX_BODY = 65_536;

export function authApi(service: Service): Hono<Bindings> {
  const app = new Hono<Bindings>();
  const get = (name: string, handler: Handler) =>
    app.get(`/auth/v2/${name}`, (c) => serve(c, service, name, queryOf(c), handler));
  const post = (name: string, handler: Handler) =>
    app.post(`/auth/v2/${name}`, async (c) => serve(c, service, name, await bodyOf(c), handler));
  get('ping', () => service.time());
  get('check', () => service.time());
  post('preauth', (form) => service.preauth(form));
  post('auth', (form) => service.auth(form));
  get('auth_status', (form) => service.authStatus(form));
  app.notFound(() => fail(new ApiFailure(40401, 'Resource not found')));
  app.onError((error) => fail(error instanceof ApiFailure ? error : new ApiFailure(50000, 'Server error')));
  return app;
}

async function serve(
  c: Context<Bindings>,
  service: Service,
  name: string,
  parameters: string,
  handler: Handler,
): Promise<Response> {
  const form = Object.fromEntries(new URLSearchParams(parameters));
  service.note({ call: name, form, userAgent: c.req.header('user-agent') ?? '' });
  const fault = service.faults.take(name);
  switch (fault?.kind) {
    case 'drop':
      c.env.incoming.socket.destroy();
      return new Promise(() => {});
    case 'hang':
      return new Promise(() => {});
    case 'garbage':
    case 'truncated':
      answerRaw(c.env.incoming.socket, fault.kind);
      return new Promise(() => {});
    case 'huge':
      return c.body(hugeBody(), 200, { 'Content-Type': 'application/json' });
    case 'status':
      return new Response(fault.body, { status: fault.status, headers: fault.headers });
    case 'response':
      return ok(c, fault.response);
    case 'delay':
      await service.clock.sleep(fault.ms);
      break;
    case undefined:
      break;
  }
  const refused = name === 'ping' ? undefined : judge(c, service, parameters);
  return refused ?? ok(c, await handler(form));
}

function judge(c: Context<Bindings>, service: Service, parameters: string): Response | undefined {
  if (
    c.req.method === 'POST' &&
    !/^application\/x-www-form-urlencoded\b/.test(c.req.header('content-type') ?? '')
  ) {
    return fail(new ApiFailure(40106, 'Invalid content type'));
  }
  const request = {
    method: c.req.method,
    host: c.req.header('host') ?? '',
    path: c.req.path,
    parameters,
    authorization: c.req.header('authorization'),
    date: c.req.header('x-duo-date') ?? c.req.header('date'),
  };
  const refused = refusal(request, service.application, service.clock.now());
  return refused === undefined ? undefined : fail(new ApiFailure(refused.code, refused.message));
}

function queryOf(c: Context<Bindings>): string {
  return c.req.url.split('?', 2)[1] ?? '';
}

async function bodyOf(c: Context<Bindings>): Promise<string> {
  const text = await c.req.text();
  if (text.length > MAX_BODY) throw new ApiFailure(40002, 'Invalid request parameters', 'body');
  return text;
}

function ok(c: Context<Bindings>, response: unknown): Response {
  return c.json({ stat: 'OK', response });
}

function fail({ code, message, detail }: ApiFailure): Response {
  const status = Math.floor(code / 100);
  const body = JSON.stringify({
    stat: 'FAIL',
    code,
    message,
    ...(detail === '' ? {} : { message_detail: detail }),
  });
  return new Response(body, { status, headers: { 'Content-Type': 'application/json' } });
}
