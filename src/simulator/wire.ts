/** The common part of both APIs: each request is recorded, gets its fault, is checked and answered. */
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { ApiFailure, type Form, invalid } from './failure.ts';
import { answerRaw, HUGE } from './faults.ts';
import { type Parameters, parametersOf } from './parameters.ts';
import type { Service } from './service.ts';
import { refusal } from './signature.ts';

type Bindings = { Bindings: HttpBindings };

/** The format of an API. */
export interface Wire {
  /** Behind the name of each call. */
  readonly suffix: '' | '.bson';
  readonly contentType: string;
  /** Whether requests need a date. Those that do may have JSON bodies. */
  readonly dated: boolean;
  encode(envelope: object): string | Buffer;
}

export interface Call {
  readonly method: 'GET' | 'POST';
  /** The last part of its path. */
  readonly name: string;
  /** Answered without credentials too. */
  readonly unsigned?: boolean;
  /**
   * The content of the envelope, or a Response without one.
   * @throws ApiFailure
   */
  answer(form: Form): unknown;
}

/** An application that serves only these calls. */
export function serveCalls(service: Service, wire: Wire, calls: readonly Call[]): Hono<Bindings> {
  const app = new Hono<Bindings>();
  for (const call of calls) {
    app.on(call.method, `/${call.name}${wire.suffix}`, (c) => serve(c, service, wire, call));
  }
  app.all('*', () => fail(wire, new ApiFailure(40401, 'Resource not found')));
  app.onError((error) =>
    fail(wire, error instanceof ApiFailure ? error : new ApiFailure(50000, 'Server error')),
  );
  return app;
}

async function serve(c: Context<Bindings>, service: Service, wire: Wire, call: Call): Promise<Response> {
  const parameters = await parametersOf(c.req);
  const { form } = parameters;
  service.note({ call: call.name, form: form ?? {}, userAgent: c.req.header('user-agent') ?? '' });
  const fault = service.faults.take(call.name);
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
      return ok(wire, HUGE);
    case 'status':
      return new Response(fault.body, { status: fault.status, headers: fault.headers });
    case 'response':
      return ok(wire, fault.response);
    case 'delay':
      await service.clock.sleep(fault.ms);
      break;
    case undefined:
      break;
  }
  if (call.unsigned !== true) judge(c, service, wire, parameters);
  if (form === undefined) throw invalid('body');
  const response = await call.answer(form);
  return response instanceof Response ? response : ok(wire, response);
}

/** @throws ApiFailure when Duo would refuse the request */
function judge(c: Context<Bindings>, service: Service, wire: Wire, { text, kind }: Parameters): void {
  if (kind === 'other' || (kind === 'json' && !wire.dated))
    throw new ApiFailure(40106, 'Invalid content type');
  const headers = Object.entries(c.req.header());
  const request = {
    method: c.req.method,
    host: c.req.header('host') ?? '',
    path: c.req.path,
    parameters: kind === 'json' ? '' : text,
    json: kind === 'json' ? text : kind === 'query' ? '' : undefined,
    duoHeaders: Object.fromEntries(
      headers.filter(([name]) => name.startsWith('x-duo-') && name !== 'x-duo-date'),
    ),
    authorization: c.req.header('authorization'),
    date: c.req.header('x-duo-date') ?? c.req.header('date'),
    dated: wire.dated,
  };
  const refused = refusal(request, service.application, service.clock.now());
  if (refused !== undefined) throw new ApiFailure(refused.code, refused.message);
}

function ok(wire: Wire, response: unknown): Response {
  return envelope(wire, 200, { stat: 'OK', response });
}

function fail(wire: Wire, { code, message, detail }: ApiFailure): Response {
  return envelope(wire, Math.floor(code / 100), {
    stat: 'FAIL',
    code,
    message,
    ...(detail === '' ? {} : { message_detail: detail }),
  });
}

function envelope(wire: Wire, status: number, content: object): Response {
  return new Response(wire.encode(content), { status, headers: { 'Content-Type': wire.contentType } });
}
