// What the charts of a sweep share, and the table of points that are missing in them.
import { el, table } from './dom.js';
import { count, known } from './format.js';

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

// The first of these metrics that some point has; of one to several accuracies that which most points
// have, then the highest.
export function usualMetric(sweep, names) {
  const points = done(sweep);
  const had = (i) => points.filter((point) => known(point.values[i])).length;
  for (const name of names) {
    const found = sweep.figures
      .map((metric, i) => ({ metric, i, points: metric.key === name ? had(i) : 0 }))
      .filter((each) => each.points > 0)
      .sort((a, b) => b.points - a.points || (b.metric.target ?? 0) - (a.metric.target ?? 0));
    if (found.length) return found[0].i;
  }
  return 0;
}

// Choices of a select: usual metrics first.
export function metricChoices(sweep) {
  const all = sweep.figures.map((metric, i) => [i, metric.title]);
  const isUsual = ([i]) => sweep.figures[i].usual !== false;
  return [...all.filter(isUsual), ...all.filter((each) => !isUsual(each))];
}

// Points that differ in their seed alone: [{settings, points}]; the seed's setting is ''.
export function seedGroups(sweep) {
  const seed = sweep.keys.indexOf('seed');
  const found = new Map();
  for (const point of done(sweep)) {
    const settings = point.settings.map((text, key) => (key === seed ? '' : text));
    const name = JSON.stringify(settings);
    if (!found.has(name)) found.set(name, { settings, points: [] });
    found.get(name).points.push(point);
  }
  return [...found.values()];
}

// 97.5 % quantiles of Student's t by degrees of freedom from 1; further ones are 1.96 + 2.4 / df.
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
];

// {mean, low, high}: the mean with its 95 % interval; without one of a single value.
export function interval(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, low: null, high: null };
  const free = values.length - 1;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / free;
  const half = (quantiles[free - 1] ?? 1.96 + 2.4 / free) * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}

// A setting's number for its colour: that of its group where the groups are its settings.
export function settingIndex(page, sweep, key, setting, i) {
  const alone = sweep.keys.every((name, other) => other === key || name === 'seed');
  const group = page.data.comparison?.groups.find(
    ({ label }) => label === setting || label.endsWith(`=${setting}`)
  );
  return alone && group ? page.groupIndex(group.label) : i;
}

// `live`: what is missing is still to come; the panel at the top has it.
export function unfinished(sweep, live) {
  if (live && !done(sweep).length)
    return el('p', { class: 'note' }, 'No point is done yet; charts follow when one is.');
  const rows = sweep.points
    .filter((point) => point.status === 'failed' || (point.status !== 'done' && !live))
    .map((point) => [...point.settings, point.status, point.cause]);
  if (!rows.length)
    return el(
      'p',
      { class: 'note' },
      live
        ? `${count(done(sweep).length)} of ${count(sweep.points.length)} points are done.`
        : `All ${count(sweep.points.length)} points are done.`
    );
  return el(
    'div',
    {},
    el(
      'h3',
      {},
      `${count(rows.length)} of ${count(sweep.points.length)} points ${live ? 'failed' : 'are not done'}`
    ),
    table('Points that failed or are missing', [...sweep.keys, 'status', 'cause'], rows, {
      texts: 99,
    })
  );
}
