// A run of pipelines for the page: what its activities and waits are called, and their looks.
import { area, thingStyles } from './theme.js';

// In the order of the legend. A transfer between stages is another thing than a compute.
const classes = [
  ['forward', 'forward'],
  ['backward', 'backward'],
  ['step', 'step'],
  ['gather', 'gradients added'],
  ['join', 'weights joined'],
  ['activation sent', 'activations sent'],
  ['gradient sent', 'gradients sent'],
  ['all_reduce', 'all-reduce'],
  ['collect', 'weights collected'],
];

export const waitNames = {
  activation: 'waits for activations',
  gradient: 'waits for gradients',
  link: 'waits for a link',
  all_reduce: 'waits for all-reduce',
  done: 'through with the round',
  other: 'waits otherwise',
};

export const criticalPath = 'critical path';

// Of a label, by its number.
function classOf({ labels }, i) {
  const kind = labels.kind[i] ?? '';
  const sent = labels.to_stage[i] >= 0;
  if (kind === 'forward') return sent ? 'activation sent' : 'forward';
  if (kind === 'backward') return sent ? 'gradient sent' : 'backward';
  if (kind === 'take' || kind === 'add') return 'gather';
  return kind === 'give' ? 'join' : kind;
}

// How the activities of a run are drawn: {names, styles(look), of(label): index of names}. `usual`:
// the look of a label of another form, (look, label index).
export function drawnAs(run, usual) {
  const { labels } = run.timeline;
  if (!run.pipeline) {
    return { names: labels, of: (i) => i, styles: (look) => labels.map((_, i) => usual(look, i)) };
  }
  const keys = labels.map((_, i) => classOf(run.pipeline, i));
  const known = classes.filter(([key]) => keys.includes(key));
  const rest = labels.map((_, i) => i).filter((i) => !keys[i]);
  const place = new Map(known.map(([key], i) => [key, i]));
  const other = new Map(rest.map((label, i) => [label, known.length + i]));
  return {
    names: [...known.map(([, name]) => name), ...rest.map((i) => labels[i])],
    of: (i) => place.get(keys[i]) ?? other.get(i),
    styles: (look) => [
      ...known.map(([key]) => pipelineStyles(look)[key]),
      ...rest.map((i) => usual(look, i)),
    ],
  };
}

export function pipelineStyles(look) {
  const { transfer, compute } = look;
  return {
    forward: area(look, compute[0], 'none'),
    backward: area(look, look.backward, 'none'),
    step: area(look, look.aggregation, 'none'),
    gather: area(look, look.aggregation, 'dots'),
    join: area(look, look.aggregation, 'across'),
    'activation sent': area(look, transfer[0], 'none'),
    'gradient sent': area(look, transfer[2], 'none'),
    all_reduce: area(look, look.allReduce, 'none'),
    collect: area(look, transfer[1], 'dots'),
  };
}

// Paler than what happens: what does not.
export function waitStyles(look, within = 0.45) {
  const styles = thingStyles(look);
  const ink = look.dark ? 'rgba(255,255,255,0.28)' : 'rgba(0,0,0,0.28)';
  const pale = (color, hatching) => area(look, mixed(look.paper, color, within), hatching, ink);
  return {
    activation: pale(look.compute[2], 'rising'),
    gradient: pale(look.backward, 'falling'),
    link: pale(look.transfer[0], 'dots'),
    all_reduce: pale(look.allReduce, 'across'),
    done: styles.waiting,
    other: styles.other,
  };
}

// `share` of the second colour in the first; both "#rrggbb".
function mixed(first, second, share) {
  const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const [a, b] = [parts(first), parts(second)];
  return `#${a
    .map((value, i) => Math.round(value + (b[i] - value) * share).toString(16).padStart(2, '0'))
    .join('')}`;
}

// "forward of micro-batch 3 at stage 1"; '' for a label of another form. Stages are counted from 1, as
// `convoy plan` does; in the data they are counted from 0.
export function described({ labels }, i) {
  const kind = labels.kind[i];
  if (!kind) return '';
  const m = labels.microbatch[i];
  const to = labels.to_stage[i];
  const what =
    to >= 0
      ? { forward: 'activations', backward: 'gradients' }[kind]
      : { take: 'takes gradients', add: 'adds gradients', all_reduce: 'all-reduce' }[kind];
  const where = to >= 0 ? `from stage ${labels.stage[i] + 1} to ${to + 1}` : `at stage ${labels.stage[i] + 1}`;
  return `${what ?? kind}${m >= 0 ? ` of micro-batch ${m}` : ''} ${where}`;
}

// The steps of a pipeline, from its first stage on: "stage 1", "1 – 2", "stage 2", ... Of a transfer
// it does not matter which way.
export function stepsOf(sums) {
  const steps = new Map();
  sums.kind.forEach((kind, i) => {
    const [stage, to] = [sums.stage[i], sums.to_stage[i]];
    const first = to >= 0 ? Math.min(stage, to) : stage;
    const place = stage < 0 ? Infinity : first + (to >= 0 ? 0.5 : 0);
    const name = stage < 0 ? 'other' : to >= 0 ? `${first + 1} – ${Math.max(stage, to) + 1}` : `stage ${stage + 1}`;
    if (!steps.has(name)) steps.set(name, { name, place, rows: [] });
    steps.get(name).rows.push(i);
  });
  return [...steps.values()].sort((a, b) => a.place - b.place);
}
