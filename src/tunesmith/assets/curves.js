// Every figure of curves, drawn by uPlot over the still one: values under the pointer, and a stretch to look closer at.
(() => {
  // between two marks of the axis: whole steps, as there is no half of one
  const WHOLE = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const colour = (name, number) => {
    const probe = document.createElement("i");
    probe.className = `colour-${number}`;
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const clear = (rgb, share) => rgb.replace(/^rgb\(([^)]*)\)$/, (_, parts) => `rgb(${parts.replaceAll(",", " ")} / ${share})`);

  const series = (curve) => {
    const stroke = colour("colour", curve.colour);
    const look = {
      faint: { stroke: clear(stroke, 0.55), width: 1, points: { show: false } },
      line: { stroke, width: 2, points: { show: false } },
      dots: { stroke, width: 1.5, points: { show: true, size: 7, fill: stroke } },
    };
    return { label: curve.name, spanGaps: true, ...look[curve.look] };
  };

  const draw = (figure) => {
    const plot = figure.querySelector(".plot");
    const { steps, curves } = JSON.parse(document.getElementById(`${plot.id}-data`).textContent);
    const told = [...figure.querySelectorAll(".legend li")].map((item) => {
      const value = document.createElement("span");
      value.className = "at";
      item.append(value);
      return value;
    });
    const still = plot.querySelector(".still");
    const axis = () => ({
      stroke: colour("quiet"), font: "12px system-ui, sans-serif",
      grid: { stroke: colour("rule"), width: 1 }, ticks: { show: false },
    });
    let drawn;
    const make = () => {
      drawn?.destroy();
      still.style.display = "none";
      drawn = new uPlot({
        width: plot.clientWidth, height: plot.clientHeight,
        scales: { x: { time: false } },
        axes: [{ ...axis(), size: 28, incrs: WHOLE }, { ...axis(), size: 46 }],
        series: [{ label: "step" }, ...curves.map(series)],
        legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        hooks: {
          setCursor: [(chart) => {
            const at = chart.cursor.idx;
            curves.forEach((curve, number) => {
              const loss = at == null ? null : curve.losses[at];
              told[number].textContent = loss == null ? "" : `${loss.toPrecision(4)} at ${steps[at].toLocaleString("en")}`;
            });
          }],
        },
      }, [steps, ...curves.map((curve) => curve.losses)], plot);
    };
    make();
    new ResizeObserver(() => {
      if (plot.clientWidth !== drawn.width) drawn.setSize({ width: plot.clientWidth, height: plot.clientHeight });
    }).observe(plot);
    addEventListener("themechange", make);
  };

  document.querySelectorAll("figure.curves").forEach(draw);
})();
