"""`/classify` as in vLLM, plus choices; `/zero-shot-classification` as Hugging Face's clients call it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter, Request

from cappy.calibration.temperature import softmax
from cappy.classification.choices import fill
from cappy.server.cancellation import while_connected
from cappy.server.engine import Engine, Scored
from cappy.server.error_schemas import declared
from cappy.server.errors import RequestError
from cappy.server.schemas import Classified, ClassifyRequest, ClassifyResponse, ZeroShotItem, ZeroShotRequest
from cappy.server.scoring import as_list, usage


def shares(scores: Sequence[float], temperature: float) -> list[float]:
    """Turn the scores [choices] of one text into probabilities [choices], as a zero-shot `Classifier` does."""
    logits = np.array([scores], dtype=np.float64) / temperature
    return [float(share) for share in softmax(logits)[0]]


def classifying_routes(engine: Engine) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["classify"])

    async def scores(
        request: Request, model: str | None, texts: Sequence[str], choices: list[str], template: str
    ) -> Scored:
        if len(set(choices)) < len(choices):
            raise RequestError(422, "a choice is given twice.")
        if "{text}" not in template:
            raise RequestError(422, "the instruction must contain {text}.")
        room = engine.settings.body_bytes
        size = len(template) + sum(map(len, choices))
        # A short template that repeats {text} or {choices} many times must not turn a small body into a large text.
        if sum(template.count("{text}") * len(text) + template.count("{choices}") * size for text in texts) > room:
            raise RequestError(413, "the instructions are too large after inserting the texts and choices.")
        groups = [(fill(template, choices, text), choices) for text in texts]
        return await while_connected(request, engine.score(model, groups, choices))

    @router.post("/classify", responses=declared())
    async def classify(body: ClassifyRequest, request: Request) -> ClassifyResponse:
        """Choose the best of `choices` for each text."""
        scored = await scores(request, body.model, as_list(body.input), body.choices, body.instruction)
        data = [
            Classified(
                index=number,
                label=body.choices[group.order()[0]],
                probs=shares(group.scores, scored.temperature),
                scores=list(group.scores),
                num_classes=len(body.choices),
            )
            for number, group in enumerate(scored.groups)
        ]
        return ClassifyResponse(
            id=f"classify-{request.state.id}",
            created=int(time.time()),
            model=scored.model,
            data=data,
            usage=usage(scored),
        )

    @router.post("/zero-shot-classification", responses=declared())
    async def zero_shot(body: ZeroShotRequest, request: Request) -> list[ZeroShotItem]:
        """Choose among labels; `hypothesis_template` inserts each label at `{}`."""
        labels = body.parameters.candidate_labels
        template = body.parameters.hypothesis_template or "{}"
        if len(template) * len(labels) > engine.settings.body_bytes:
            raise RequestError(413, "the labels are too large after inserting them into the template.")
        choices = [template.replace("{}", label) for label in labels]
        scored = await scores(request, None, [body.inputs], choices, "{text}")
        probs = shares(scored.groups[0].scores, scored.temperature)
        return [ZeroShotItem(label=labels[place], score=probs[place]) for place in scored.groups[0].order()]

    return router
