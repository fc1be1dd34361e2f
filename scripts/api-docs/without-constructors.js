/** Leaves constructors out of the documentation: handles come from Duo.open, errors from logins. */
import { Converter, ReflectionKind } from 'typedoc';

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const found of project.getReflectionsByKind(ReflectionKind.Constructor)) {
      project.removeReflection(found);
    }
  });
}
