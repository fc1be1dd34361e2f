/** A call's parameters: from the query string of a GET, or from a POST's body, which is a form or JSON. */
import type { HonoRequest } from 'hono';
import * as v from 'valibot';
import { type Form, invalid } from './failure.ts';

export interface Parameters {
  readonly kind: 'query' | 'form' | 'json' | 'other';
  /** As it was sent. */
  readonly text: string;
  /** undefined when the JSON is invalid or not an object of simple values. */
  readonly form: Form | undefined;
}

const MAX_BODY = 65_536;

/** @throws ApiFailure when the body is too long */
export async function parametersOf(request: HonoRequest): Promise<Parameters> {
  if (request.method === 'GET') return parsed('query', request.url.split('?', 2)[1] ?? '');
  const text = await request.text();
  if (text.length > MAX_BODY) throw invalid('body');
  const [type] = (request.header('content-type') ?? '').split(';', 1);
  switch (type?.trim().toLowerCase()) {
    case 'application/x-www-form-urlencoded':
      return parsed('form', text);
    case 'application/json':
      return { kind: 'json', text, form: fromJson(text) };
    default:
      return { kind: 'other', text, form: {} };
  }
}

function parsed(kind: 'query' | 'form', text: string): Parameters {
  return { kind, text, form: Object.fromEntries(new URLSearchParams(text)) };
}

/** Numbers and booleans equal their texts in a form, where `true` is `1`. */
const Value = v.union([
  v.string(),
  v.pipe(v.number(), v.transform(String)),
  v.pipe(
    v.boolean(),
    v.transform((value) => (value ? '1' : '0')),
  ),
]);
const Json = v.pipe(
  v.string(),
  v.parseJson(),
  // valibot accepts an array as a record.
  v.check((value) => !Array.isArray(value)),
  v.record(v.string(), Value),
);

function fromJson(text: string): Form | undefined {
  const form = v.safeParse(Json, text);
  return form.success ? form.output : undefined;
}
