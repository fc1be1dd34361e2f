import { format, inspect } from 'node:util';
import test from 'ava';
import { Secret } from '../../src/lib/secret.ts';

const secret = new Secret('never-to-be-seen');

test('a secret is revealed only by its method', (t) => {
  t.is(secret.reveal(), 'never-to-be-seen');
});

const ways: Readonly<Record<string, () => string>> = {
  'in a template': () => `${secret}`,
  'as a string': () => String(secret),
  'joined to a string': () => ['', secret].join(''),
  'as JSON': () => JSON.stringify({ secret, list: [secret] }),
  'formatted as %s': () => format('%s', secret),
  'formatted as %o': () => format('%o', secret),
  'formatted as %j': () => format('%j', secret),
  inspected: () => inspect({ secret }, { showHidden: true, depth: null, getters: true }),
  'by its keys': () => JSON.stringify(Object.entries(secret)) + JSON.stringify(Reflect.ownKeys(secret)),
  copied: () => JSON.stringify({ ...secret }) + inspect(structuredClone(secret)),
  'in an error': () => inspect(new Error(`no good: ${secret}`, { cause: secret })),
};
for (const [name, show] of Object.entries(ways)) {
  test(`a secret stays hidden ${name}`, (t) => {
    t.false(show().includes('never'));
  });
}
