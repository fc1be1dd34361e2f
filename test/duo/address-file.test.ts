import {
  chmodSync,
  chownSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openAddressFile } from '../../src/duo/address-file.ts';
import { MemoryResolver } from '../../src/duo/addresses.ts';
import { LookUpError } from '../../src/duo/look-up.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const HALF = 65_536;

function fileFor(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'addresses-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'addresses');
}

function open(path: string) {
  const problems: string[] = [];
  return { store: openAddressFile(path, (problem) => problems.push(problem)), problems };
}

const known = (...names: string[]) =>
  new Map(names.map((name, at) => [name, { list: ['192.0.2.1', '2001:db8::1'], at }]));

test('saved addresses are read by the next process, after one write or many', (t) => {
  const path = fileFor(t);
  t.deepEqual(open(path).store?.load(), new Map());
  for (const names of [['a.test'], ['a.test', 'b.test'], ['c.test']]) {
    const { store, problems } = open(path);
    store?.load();
    store?.save(known(...names));
    t.deepEqual(open(path).store?.load(), known(...names));
    t.deepEqual(problems, []);
  }
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(statSync(path).size, 2 * HALF);
});

test('the largest possible content fits', (t) => {
  const path = fileFor(t);
  const { store, problems } = open(path);
  const list = Array.from({ length: 16 }, (_, i) => `2001:db8:1111:2222:3333:4444:5555:66${10 + i}`);
  const most = new Map(
    Array.from({ length: 64 }, (_, i) => [`${'n'.repeat(251)}${10 + i}`, { list, at: 2 ** 41 }]),
  );
  store?.save(most);
  t.deepEqual(problems, []);
  t.deepEqual(open(path).store?.load(), most);
});

test('an interrupted write keeps the previous content', (t) => {
  const path = fileFor(t);
  const { store } = open(path);
  store?.save(known('a.test'));
  store?.save(known('b.test'));
  const bytes = readFileSync(path);
  // The second write has an even number, and so the first half.
  for (const at of [0, 63, 70, 100]) {
    const torn = Buffer.from(bytes);
    torn.fill('x', at, at + 1);
    writeFileSync(path, torn);
    t.deepEqual(open(path).store?.load(), known('a.test'), String(at));
  }
});

for (const [what, text] of Object.entries({
  'nothing at all': '',
  'something short': 'x',
  'anything of the right size': Buffer.alloc(2 * HALF, 'x'),
})) {
  test(`a file that holds ${what} is not believed`, (t) => {
    const path = fileFor(t);
    writeFileSync(path, text, { mode: 0o600 });
    t.deepEqual(open(path).store?.load(), new Map());
  });
}

test('content of another shape is ignored, even with a valid digest', (t) => {
  const path = fileFor(t);
  for (const list of [['evil.test'], [], ['192.0.2.1', '']]) {
    open(path).store?.save(new Map([['a.test', { list, at: 0 }]]));
    t.deepEqual(open(path).store?.load(), new Map());
  }
  for (const [name, at] of [
    ['a b', 0],
    ['', 0],
    ['a.test', -1],
    ['a.test', 2 ** 60],
  ] as const) {
    open(path).store?.save(new Map([[name, { list: ['192.0.2.1'], at }]]));
    t.deepEqual(open(path).store?.load(), new Map());
  }
});

test('a file that others can write, or that is not a regular file, is ignored', (t) => {
  const refused = (path: string) => {
    const { store, problems } = open(path);
    t.is(store, undefined);
    t.regex(problems.join(), new RegExp(`^addresses can't be kept in ${path}: `));
  };
  const writable = fileFor(t);
  writeFileSync(writable, '');
  for (const mode of [0o620, 0o602]) {
    chmodSync(writable, mode);
    refused(writable);
  }
  const link = fileFor(t);
  symlinkSync(writable, link);
  refused(link);
  const twice = fileFor(t);
  writeFileSync(twice, '', { mode: 0o600 });
  linkSync(twice, `${twice}.other`);
  refused(twice);
  refused('/nowhere/addresses');
  if (process.geteuid?.() !== 0) return;
  const strange = fileFor(t);
  writeFileSync(strange, '', { mode: 0o600 });
  chownSync(strange, 1, 1);
  refused(strange);
});

test('a new resolver uses the saved addresses for thirty days', async (t) => {
  const path = fileFor(t);
  const clock = new FakeClock();
  const first = new MemoryResolver(clock, async () => ['192.0.2.7'], open(path).store);
  await first.resolve('a.test');
  const failure = new LookUpError('no UDP port is free', { evidence: false });
  const failing = () => Promise.reject(failure);
  const next = () => new MemoryResolver(clock, failing, open(path).store);
  t.deepEqual(await next().resolve('a.test'), { list: ['192.0.2.7'], remembered: false });
  await t.throwsAsync(next().resolve('b.test'), { is: failure });
  clock.set(clock.now() + 30 * 24 * 3_600_000);
  await t.throwsAsync(next().resolve('a.test'), { is: failure });
});

test('addresses are saved when they change, and once an hour', async (t) => {
  const clock = new FakeClock();
  let list = ['192.0.2.7'];
  let saved = 0;
  const store = {
    load: () => new Map(),
    save: () => {
      saved += 1;
    },
  };
  const resolver = new MemoryResolver(clock, async () => list, store);
  for (const expected of [1, 1, 1]) {
    await resolver.resolve('a.test');
    await clock.advance(60_000);
    t.is(saved, expected);
  }
  list = ['192.0.2.8'];
  await resolver.resolve('a.test');
  t.is(saved, 2);
  await clock.advance(3_600_000);
  await resolver.resolve('a.test');
  t.is(saved, 3);
});

test('only the 64 most recent names are kept', async (t) => {
  const clock = new FakeClock();
  let kept: ReadonlyMap<string, unknown> = new Map();
  const store = {
    load: () => new Map(),
    save: (all: ReadonlyMap<string, unknown>) => {
      kept = new Map(all);
    },
  };
  const resolver = new MemoryResolver(clock, async () => ['192.0.2.7'], store);
  for (let i = 0; i < 70; i += 1) await resolver.resolve(`n${i}.test`);
  t.is(kept.size, 64);
  t.false(kept.has('n5.test'));
  t.true(kept.has('n6.test'));
});
