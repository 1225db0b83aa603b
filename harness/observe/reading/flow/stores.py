"""Stores: variables, attributes, containers and sums to which a value goes."""

from __future__ import annotations

import ast
from abc import abstractmethod

from harness.observe.reading.flow.expressions import Expressions
from harness.observe.reading.flow.journal import Value, flat
from harness.observe.reading.flow.labels import LOG2, LOSS, Labels, has, of_kind, placed, thing, things, without
from harness.observe.reading.flow.state import Frame


class Stores(Expressions):
    """The storing part of the analysis."""

    @abstractmethod
    def learnt_by_key(self, node: ast.AST, key: Labels, value: Labels) -> Labels:
        """What a container comes to know by a store under a key."""

    @abstractmethod
    def scored(self, node: ast.AST, value: Labels) -> Labels:
        """Losses are added to a sum."""

    @abstractmethod
    def changed_in_place(self, node: ast.AST, target: Labels, value: Labels) -> None:
        """Something that an object holds changes in place."""

    def store(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Bind a value to a target. Storing under a key made of tokens is learning; in a fixed place it is content."""
        memory = self.memory
        if isinstance(target, ast.Name):
            memory.put(frame.scope.variable(target.id), value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = value if isinstance(value, tuple) and len(value) == len(target.elts) else None
            for index, item in enumerate(target.elts):
                inner = item.value if isinstance(item, ast.Starred) else item
                self.store(inner, flat(value) if parts is None else parts[index], frame)
        elif isinstance(target, ast.Attribute):
            base = self.labels(target.value, frame)
            self._store_attribute(target, base, value)
        elif isinstance(target, ast.Subscript):
            base = self.labels(target.value, frame)
            if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
                for site in things(base):
                    memory.add(memory.attribute(site, target.slice.value), value)
                return
            key = self.labels(target.slice, frame)
            content = self.learnt_by_key(target, memory.held(key), placed(memory.held(flat(value)), key))
            self.into(target.value, base, content, frame)

    def _store_attribute(self, target: ast.Attribute, base: Labels, value: Value) -> None:
        sites = things(base)
        for site in sites:
            if not value and self.memory.kinds.get(site) == "module":
                continue  # sizes and switches of modules: many, and without atoms
            cell = self.memory.attribute(site, target.attr)
            if len(sites) == 1:
                self.memory.put(cell, value)
            else:
                self.memory.add(cell, value)
            if self.memory.kinds.get(site) == "module":
                labels = flat(value)
                held = self.memory.learners(self.memory.held(labels)) | frozenset(of_kind(labels, "known"))
                self.memory.add(self.memory.content(site), held - {thing(site)})
        if target.attr == "data" and sites:
            self.changed_in_place(target, base, flat(value))

    def into(self, holder: ast.expr, base: Labels, content: Labels, frame: Frame) -> None:
        """Add to the content of a container; one without identity is the variable that holds it."""
        sites = things(base)
        for site in sites:
            self.memory.add(self.memory.content(site), content)
        if not sites:
            while isinstance(holder, ast.Subscript):
                holder = holder.value
            if isinstance(holder, ast.Name):
                self.memory.add(frame.scope.variable(holder.id), content)

    def accumulate(self, node: ast.AugAssign, frame: Frame) -> None:
        """`target op= value`: a sum grows, a counter steps, a table counts, or a parameter changes."""
        memory = self.memory
        value = self.labels(node.value, frame)
        held = memory.held(value)
        if isinstance(node.op, (ast.Div, ast.Mult)) and ("ln2",) in value:
            self.reported(node, self.labels(node.target, frame))
        if LOSS in held or LOG2 in held:
            held = self.scored(node, held)
        if isinstance(node.target, ast.Subscript):
            self.store(node.target, held, frame)
            return
        present = self.labels(node.target, frame)
        self.mixed(node, present, held)
        result = self.combined(present | without(held, "thing") if has(held, "tokens") else present | value)
        if isinstance(node.target, ast.Name):
            cell = frame.scope.variable(node.target.id)
            memory.put(cell, result)
            memory.stepped.append(cell)
            if things(present):
                self.changed_in_place(node, present, held)
                for site in things(present):
                    memory.add(memory.content(site), without(held, "thing"))
        elif isinstance(node.target, ast.Attribute):
            base = self.labels(node.target.value, frame)
            for site in things(base):
                cell = memory.attribute(site, node.target.attr)
                memory.add(cell, result)
                memory.stepped.append(cell)
