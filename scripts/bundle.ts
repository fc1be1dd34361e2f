/**
 * Bundles duo-ts: its entry point and each of its parts. Of axios only the code that a login uses is
 * included.
 */
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { PARTS } from '../src/cli/parts.ts';

/**
 * Imports of axios for redirects, proxies, forms, compression, HTTP/2 and fetch. A login uses none of them,
 * and they would be more than half of the engine's bundle. form-data contains a table of all media types;
 * http2, zlib and fetch.js load parts of Node. Each of the six makes the start slower.
 */
const UNUSED = /^(?:follow-redirects|https-proxy-agent|form-data|zlib|http2|\.\/fetch\.js)$/;

/** Replaces those imports by empty modules, except for constants that axios reads while it loads. */
export function leanAxios(): Plugin {
  return {
    name: 'lean-axios',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: UNUSED }, ({ path, importer }) =>
        importer.includes('/node_modules/axios/') ? { path, namespace: 'unused' } : undefined,
      );
      onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'exports.constants = {};' }));
    },
  };
}

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [leanAxios()],
};

/**
 * Writes `main.cjs` and a file for each part into a directory.
 * @returns the packages that are bundled, as paths of their directories
 */
export async function bundle(directory: string): Promise<string[]> {
  const builds = [
    await build({
      ...COMMON,
      metafile: true,
      entryPoints: PARTS.map((name) => `src/cli/${name}.ts`),
      outdir: directory,
      outExtension: { '.js': '.cjs' },
    }),
    await build({
      ...COMMON,
      metafile: true,
      entryPoints: ['src/cli/main.ts'],
      outfile: `${directory}/main.cjs`,
      external: PARTS.map((name) => `./${name}.ts`),
    }),
  ];
  // For rehearsal.ts: Node without a compiler cannot read TypeScript.
  await build({
    ...COMMON,
    format: 'esm',
    entryPoints: ['scripts/rehearsal-engine.ts'],
    outfile: `${directory}/rehearsal.mjs`,
  });
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  return [...new Set(inputs.flatMap((path) => PACKAGE.exec(path)?.[0] ?? []))].sort();
}

/** The directory of the innermost package that a file belongs to. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;
