/** The parts inside the executable. */
import { createRequire } from 'node:module';
import { getAsset, getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

/** Modules of this folder, bundled separately. */
export const PARTS = ['engine', 'engine-command', 'commands'] as const;
export type PartName = (typeof PARTS)[number];

/** Compiles a part's text; its code cache is valid only for exactly this form. */
export function partScript(name: PartName, text: string, cachedData?: Buffer): Script {
  return new Script(`(function (module, exports, require) {${text}\n})`, {
    filename: `${name}.cjs`,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
}

/**
 * Loads a part, with V8's code cache if the build made one.
 * @returns the exports of the part's source
 */
export function loadPart<Exports>(name: PartName): Exports {
  const script = partScript(name, getAsset(`${name}.cjs`, 'utf8'), cacheOf(name));
  const module: { exports: Exports } = { exports: Object.create(null) };
  // Parts require only Node's own modules. Without /proc this program does not know its own path.
  script.runInThisContext()(module, module.exports, createRequire('/'));
  return module.exports;
}

function cacheOf(name: PartName): Buffer | undefined {
  try {
    return Buffer.from(getRawAsset(`${name}.cache`));
  } catch {
    return undefined;
  }
}
