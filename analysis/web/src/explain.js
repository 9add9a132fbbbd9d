// Why one run took longer than another, in sentences that say only what the sums in the data say.
import { cause, count, known, scale } from './format.js';

const parts = {
  compute: 'computing',
  link: 'in links',
  queue: 'in queues',
  outage: 'in outages',
  aggregation: 'in aggregation',
  other: 'of other causes',
};
const relevant = 0.1; // of a difference: smaller parts are not told
const total = (list) => list.reduce((sum, value) => sum + (value ?? 0), 0);

// Seconds that stand in one sentence, with as many digits as the least of them needs.
function together(...values) {
  const sizes = values.map(Math.abs).filter((value) => value > 0);
  const unit = scale('s', Math.max(0, ...sizes));
  const least = unit.of(Math.min(...sizes));
  const decimals = sizes.length
    ? Math.max(0, Math.min(5, 2 - Math.floor(Math.log10(least))))
    : 0;
  return values.map((value) => {
    const text = Math.abs(unit.of(value)).toFixed(decimals);
    return `${value < 0 ? '−' : ''}${text} ${unit.name}`;
  });
}

const nodeLabel = (run, id) => {
  const i = run.nodes.id.indexOf(id);
  return i < 0 ? `node ${id}` : run.nodes.name[i];
};
const classLabel = (run, id) => {
  const i = run.nodes.id.indexOf(id);
  return (i < 0 ? '' : run.nodes.class?.[i]) || nodeLabel(run, id);
};

// Sums by a key of each round.
function sums(run, keyOf, valueOf) {
  const found = new Map();
  run.rounds.version.forEach((_, i) => {
    const node = run.rounds.node[i];
    if (!known(node)) return;
    const key = keyOf(run, node);
    found.set(key, (found.get(key) ?? 0) + valueOf(run.rounds, i));
  });
  return found;
}

const lengthOf = (rounds, i) => rounds.end_s[i] - rounds.begin_s[i];
const computingOf = (rounds, i) => rounds.compute_s[i];

// [name, how much more it is in `a`], the largest first; each side is divided by `shares`.
function differences(a, b, [shareA, shareB]) {
  return [...new Set([...a.keys(), ...b.keys()])]
    .map((key) => [key, (a.get(key) ?? 0) / shareA - (b.get(key) ?? 0) / shareB])
    .sort((one, other) => other[1] - one[1]);
}

// `a` and `b` are runs; gives sentences.
export function explain(a, b) {
  const [long, short] = a.virtual_time_s >= b.virtual_time_s ? [a, b] : [b, a];
  const more = long.virtual_time_s - short.virtual_time_s;
  const said = [lengths(long, short, more)];
  const unknown = [long, short].filter((run) => !run.rounds.version.length);
  if (unknown.length) {
    said.push(
      `The critical path of ${unknown.map((run) => run.label).join(' and of ')} is not known, so ` +
        'nothing more can be said about rounds.'
    );
  } else said.push(...ofRounds(long, short, more));
  return [...said, idling(long, short), losing(long, short)].filter(Boolean);
}

const same = (one, other) => Math.abs(one - other) <= 1e-9 * Math.max(Math.abs(one), Math.abs(other));

function lengths(long, short, more) {
  if (same(long.virtual_time_s, short.virtual_time_s))
    return `${long.label} and ${short.label} are equally long (${together(long.virtual_time_s)[0]}).`;
  const [difference, one, other] = together(more, long.virtual_time_s, short.virtual_time_s);
  return `${long.label} is ${difference} longer than ${short.label} (${one} against ${other}).`;
}

// Runs of as many rounds are compared whole, others for one round.
function ofRounds(long, short, more) {
  const [rounds, fewer] = [long, short].map((run) => run.rounds.version.length);
  const whole = rounds === fewer;
  const shares = whole ? [1, 1] : [rounds, fewer];
  const [inLong, inShort] = [long, short].map(
    (run, i) => total(run.rounds.version.map((_, k) => lengthOf(run.rounds, k))) / shares[i]
  );
  const difference = inLong - inShort;
  const said = [];
  if (!whole) {
    const [one, other, by] = together(inLong, inShort, difference);
    said.push(
      `They made ${count(rounds)} and ${count(fewer)} rounds, so what follows is for one round: ` +
        `it takes ${one} in ${long.label} and ${other} in ${short.label}` +
        (same(inLong, inShort) ? '.' : `, ${by.replace('−', '')} ${difference > 0 ? 'more' : 'less'}.`)
    );
  } else if (more > 0 && Math.abs(more - difference) > relevant * more) {
    said.push(`${together(more - difference)[0]} of the difference lie outside of rounds.`);
  }
  if (same(inLong, inShort)) {
    const [[name, most]] = pathDifferences(long, short, shares);
    if (most <= 1e-9 * inLong) said.push('The parts of their critical paths are the same.');
    else said.push(`Their rounds are equally long, with ${together(most)[0]} more ${parts[name]} in ${long.label}.`);
    return said;
  }
  // Told of the run whose rounds take longer.
  const [slow, fast, by, order] =
    difference > 0
      ? [long, short, difference, shares]
      : [short, long, -difference, [...shares].reverse()];
  return [...said, partsOf(slow, fast, by, order), waits(slow, fast, by, order, whole)].filter(Boolean);
}

const pathDifferences = (a, b, shares) =>
  differences(
    ...[a, b].map((run) => new Map(Object.keys(parts).map((name) => [name, total(run.rounds[`${name}_s`])]))),
    shares
  );

// Which parts of the critical path make the difference.
function partsOf(slow, fast, by, shares) {
  const all = pathDifferences(slow, fast, shares);
  const told = all.filter(([, s]) => s > relevant * by);
  const against = all.filter(([, s]) => s < -relevant * by).reverse();
  if (!told.length) return '';
  const [[first, most]] = told;
  const text = (sign) => ([name, s]) =>
    `${together(Math.abs(s))[0]} ${sign} ${parts[name]}` +
    (name === 'compute' && sign === 'more' ? onClass(slow, fast, s, shares) : '');
  const less = against.length ? `, and ${listed(against.map(text('less')))}` : '';
  const alone = told.length === 1 && !against.length && most <= 1.1 * by && most >= 0.9 * by;
  return alone
    ? `${most > 0.999 * by ? 'All' : 'Nearly all'} of the difference is ${parts[first]} on the ` +
        `critical path${first === 'compute' ? onClass(slow, fast, most, shares) : ''}.`
    : `On the critical path ${slow.label} has ${listed(told.map(text('more')))}${less}.`;
}

const listed = (texts) =>
  texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} and ${texts[texts.length - 1]}`;

// The class whose rounds have most of the additional computing.
function onClass(slow, fast, most, shares) {
  const [[name, s] = []] = differences(
    ...[slow, fast].map((run) => sums(run, classLabel, computingOf)),
    shares
  );
  if (!known(s) || s < 0.5 * most) return '';
  if (s > 1.1 * most)
    return ` (${together(s)[0]} more in rounds that waited for ${name}, less in others)`;
  const much = s >= 0.9 * most ? 'nearly all' : `${together(s)[0]} more`;
  return ` (${much} in rounds that waited for ${name})`;
}

// For whom the rounds waited longer.
function waits(slow, fast, by, shares, whole) {
  const [one, other] = [slow, fast].map((run) => sums(run, nodeLabel, lengthOf));
  if (!one.size || !other.size) return '';
  const [[name, s]] = differences(one, other, shares);
  if (s <= relevant * by) return '';
  const [more, mine, theirs] = together(s, one.get(name) / shares[0], (other.get(name) ?? 0) / shares[1]);
  return (
    `The rounds of ${slow.label} that waited for ${name} take ${more} more` +
    `${whole ? '' : ' for each round made'} (${mine} against ${other.get(name) ? theirs : 'none'}).`
  );
}

// How much longer a worker waits on average, and why.
function idling(long, short) {
  const mean = (run) => {
    const workers = run.nodes.id.filter((id) => id !== 0).length;
    const found = new Map();
    run.idle.node.forEach((node, i) => {
      if (node === 0) return;
      found.set(run.idle.cause[i], (found.get(run.idle.cause[i]) ?? 0) + run.idle.s[i] / workers);
    });
    return found;
  };
  const [one, other] = [long, short].map(mean);
  if (!one.size || !other.size) return '';
  const all = differences(one, other, [1, 1]);
  const [name, s] = all.reduce((most, each) => (Math.abs(each[1]) > Math.abs(most[1]) ? each : most));
  const most = Math.max(total([...one.values()]), total([...other.values()]));
  if (Math.abs(s) <= 0.01 * most) return '';
  const [by, mine, theirs] = together(Math.abs(s), one.get(name) ?? 0, other.get(name) ?? 0);
  return (
    `A worker of ${long.label} is idle ${by} ${s > 0 ? 'longer' : 'less'} because of ` +
    `“${cause(name)}” (mean: ${mine} against ${theirs}).`
  );
}

function losing(long, short) {
  const [one, other] = [long, short].map((run) => run.figures.lost_s ?? 0);
  if (Math.abs(one - other) <= 0.01 * Math.max(one, other)) return '';
  const [more, less] = one > other ? [long, short] : [short, long];
  const [mine, theirs] = together(more.figures.lost_s, less.figures.lost_s ?? 0);
  return (
    `${more.label} lost ${mine} of computing and transfers in tasks that failed or were given up, ` +
    `${less.label} ${less.figures.lost_s ? theirs : 'none'}.`
  );
}
