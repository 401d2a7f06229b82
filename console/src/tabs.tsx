// Tabs with one panel, by mouse and by the arrow keys.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Props {
  label: string;
  tabs: Record<string, string>;
  selected: string;
  onSelect: (key: string) => void;
  small?: boolean;
  children: ComponentChildren;
}

export function Tabs({ label, tabs, selected, onSelect, small, children }: Props) {
  const id = useId();
  const keys = Object.keys(tabs);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = keys[(keys.indexOf(selected) + step + keys.length) % keys.length]!;
    onSelect(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  return (
    <>
      <div
        class={small ? "tabs inner" : "tabs"}
        role="tablist"
        aria-label={label}
        onKeyDown={onKeyDown}
      >
        {keys.map((key) => (
          <button
            type="button"
            role="tab"
            key={key}
            id={`${id}-${key}`}
            aria-selected={key === selected}
            aria-controls={`${id}-panel`}
            tabIndex={key === selected ? 0 : -1}
            onClick={() => onSelect(key)}
          >
            {tabs[key]}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${selected}`}>
        {children}
      </div>
    </>
  );
}
