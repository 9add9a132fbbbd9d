// What the timeline of a pipeline has besides bars: series of ECharts that ask for the scene of a frame
// (timeline_index.js).
import { fontFamily } from '../dom.js';
import { criticalPath } from '../pipeline.js';
import { inkOn } from '../theme.js';

// The critical path: outlines.
export const outline = (look, sceneOf) => ({
  type: 'custom',
  name: criticalPath,
  itemStyle: { color: 'transparent', borderColor: look.critical, borderWidth: 1.6 },
  clip: true,
  silent: true,
  data: [[0, 0]],
  tooltip: { show: false },
  renderItem(params, api) {
    const { wide, thin } = sceneOf(params, api).path;
    const [boxes, narrow] = byWidth(wide);
    return {
      type: 'group',
      children: [
        {
          type: 'rects',
          shape: { rects: underlined([...thin, ...narrow]) },
          style: { fill: look.critical },
        },
        {
          type: 'rects',
          shape: { rects: within(boxes) },
          style: { fill: 'none', stroke: look.critical, lineWidth: 1.6 },
        },
      ],
    };
  },
});
// What is too narrow for an outline has a line below it.
function byWidth(rects) {
  const parts = [[], []];
  for (let i = 0; i < rects.length; i += 4)
    parts[rects[i + 2] >= 7 ? 0 : 1].push(...rects.slice(i, i + 4));
  return parts;
}
const underlined = (rects) =>
  rects.map((value, i) => {
    if (i % 4 === 1) return value + rects[i + 2] - 1;
    return i % 4 === 3 ? 2 : value;
  });
// Lines are drawn half outside of their rectangle.
const within = (rects) => rects.map((value, i) => (i % 4 < 2 ? value + 0.8 : Math.max(0, value - 1.6)));

// The numbers of the micro-batches, in the ink that stands out from each bar.
export const numbers = (styles, sceneOf) => ({
  type: 'custom',
  name: 'micro-batches',
  clip: true,
  silent: true,
  data: [[0, 0]],
  tooltip: { show: false },
  renderItem: (params, api) => ({
    type: 'group',
    children: sceneOf(params, api).numbers.map(({ text, x, y, thing }) => ({
      type: 'text',
      name: 'micro-batch',
      style: {
        text,
        x,
        y,
        align: 'center',
        verticalAlign: 'middle',
        fontSize: 11,
        fontFamily,
        fill: inkOn(styles[thing].color),
      },
    })),
  }),
});
