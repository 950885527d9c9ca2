// Pictures in a grid, of which one is chosen with a click or with the arrow keys.
export default {
  render({ model, el }) {
    const n = model.get("n");
    const columns = model.get("n_columns");
    const cell = model.get("cell");
    const rows = Math.ceil(n / columns);
    const box = document.createElement("div");
    box.style.cssText = `position:relative;width:${columns * cell}px;max-width:100%;aspect-ratio:${columns}/${rows};cursor:pointer`;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "pictures: click one, or use the arrow keys");
    const image = document.createElement("img");
    image.style.cssText = "width:100%;height:100%;image-rendering:pixelated;display:block";
    image.draggable = false;
    image.src = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    const frame = document.createElement("div");
    frame.style.cssText = `position:absolute;width:${100 / columns}%;height:${100 / rows}%;box-sizing:border-box;border:3px solid #E69F00`;
    box.append(image, frame);
    el.append(box);

    const mark = () => {
      const chosen = model.get("chosen");
      frame.style.display = chosen < 0 ? "none" : "block";
      frame.style.left = `${(100 * (chosen % columns)) / columns}%`;
      frame.style.top = `${(100 * Math.floor(chosen / columns)) / rows}%`;
    };
    const choose = (i) => {
      if (i < 0 || i >= n) return;
      model.set("chosen", i);
      model.set("n_sent", model.get("n_sent") + 1);
      model.save_changes();
      mark();
    };
    box.addEventListener("click", (event) => {
      const at = box.getBoundingClientRect();
      const row = Math.floor((rows * (event.clientY - at.top)) / at.height);
      choose(row * columns + Math.floor((columns * (event.clientX - at.left)) / at.width));
    });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[
        event.key
      ];
      if (step) {
        event.preventDefault();
        event.stopPropagation();
        choose(Math.max(model.get("chosen"), 0) + step);
      }
    });
    model.on("change:chosen", mark);
    mark();
    return () => {
      model.off("change:chosen", mark);
      URL.revokeObjectURL(image.src);
    };
  },
};
