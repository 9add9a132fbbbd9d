// ECharts with only what the report draws.
import { BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  DataZoomComponent,
  GridComponent,
  LegendPlainComponent,
  LegendScrollComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';

echarts.use([
  BarChart,
  CustomChart,
  HeatmapChart,
  LineChart,
  ScatterChart,
  DataZoomComponent,
  GridComponent,
  LegendPlainComponent,
  LegendScrollComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
  CanvasRenderer,
  SVGRenderer,
]);

// Many rectangles as one path: [x, y, width, height, ...]. What makes long timelines fast.
echarts.graphic.registerShape(
  'rects',
  echarts.graphic.extendShape({
    shape: { rects: [] },
    buildPath(context, { rects }) {
      for (let i = 0; i < rects.length; i += 4) {
        context.rect(rects[i], rects[i + 1], rects[i + 2], rects[i + 3]);
      }
    },
  })
);

// Steps through [x, y, x, y, ...], each holding until the next. ECharts' own leave out small steps
// and draw a slope instead.
echarts.graphic.registerShape(
  'steps',
  echarts.graphic.extendShape({
    shape: { points: [] },
    buildPath(context, { points }) {
      context.moveTo(points[0], points[1]);
      for (let i = 2; i < points.length; i += 2) {
        context.lineTo(points[i], points[i - 1]);
        context.lineTo(points[i], points[i + 1]);
      }
    },
  })
);

export { echarts };
