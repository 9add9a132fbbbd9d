// What the charts of a sweep share, and the table of points that are missing in them.
import { el, table } from './dom.js';
import { count } from './format.js';

export const done = (sweep) => sweep.points.filter((point) => point.status === 'done');

export function settings(sweep, key) {
  const found = [...new Set(sweep.points.map((point) => point.settings[key]))];
  const numbers = found.every((text) => text.trim() !== '' && Number.isFinite(Number(text)));
  return numbers ? found.sort((a, b) => Number(a) - Number(b)) : found;
}

export const better = (figure) =>
  ({ less: 'less is better', more: 'more is better' })[figure.better] ?? '';

// Keys that vary, the seed last: it is what one takes means over.
export function varying(sweep) {
  const keys = sweep.keys.map((_, key) => key).filter((key) => settings(sweep, key).length > 1);
  const late = (key) => Number(sweep.keys[key] === 'seed');
  return (keys.length ? keys : sweep.keys.map((_, key) => key)).sort((a, b) => late(a) - late(b));
}

export function usualFigure(sweep, names) {
  const found = names
    .map((name) => sweep.figures.findIndex((figure) => figure.key === name))
    .find((i) => i >= 0);
  return found ?? 0;
}

export function unfinished(sweep) {
  const rows = sweep.points
    .filter((point) => point.status !== 'done')
    .map((point) => [...point.settings, point.status, point.cause]);
  if (!rows.length)
    return el('p', { class: 'note' }, `All ${count(sweep.points.length)} points are done.`);
  return el(
    'div',
    {},
    el('h3', {}, `${count(rows.length)} of ${count(sweep.points.length)} points are not done`),
    table('Points that failed or are missing', [...sweep.keys, 'status', 'cause'], rows, {
      texts: 99,
    })
  );
}
