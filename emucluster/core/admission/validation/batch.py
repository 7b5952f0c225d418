"""Jobs and CronJobs, as far as their mistakes would only show when something acted on them.

Source: kubernetes/kubernetes pkg/apis/batch/validation. Differs: no selector is generated, so none
is asked for; of a schedule only the number of its fields is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import CronJob, Job, JobSpec

from .fields import immutable, invalid, non_negative, not_supported, required
from .pods import pod_template

POLICIES = ("Allow", "Forbid", "Replace")
ENDS = ("OnFailure", "Never")
CRON_NAME_MAX = 52
_FIELDS = 5


def job(obj: Job) -> list[Cause]:
    return list(_job("spec", obj.spec))


def job_update(new: Job, old: Job) -> list[Cause]:
    causes = job(new)
    if new.spec.completion_mode != "Indexed":
        causes += immutable("spec.completions", new.spec.completions, old.spec.completions)
    causes += immutable("spec.selector", new.spec.selector, old.spec.selector)
    if not old.spec.suspend:
        causes += immutable("spec.template", new.spec.template, old.spec.template)
    mode = "spec.completionMode"
    return causes + immutable(mode, new.spec.completion_mode, old.spec.completion_mode)


def _job(path: str, spec: JobSpec) -> Iterator[Cause]:
    for field, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
    ):
        yield from non_negative(f"{path}.{field}", value)
    yield from pod_template(f"{path}.template", spec.template)
    policy = spec.template.spec.restart_policy
    if policy not in ENDS:
        field = f"{path}.template.spec.restartPolicy"
        listed = ", ".join(f'"{name}"' for name in ENDS)
        yield required(field, f"valid values: {listed}")


def cron_job(obj: CronJob) -> list[Cause]:
    spec, causes = obj.spec, list[Cause]()
    if len(obj.metadata.name) > CRON_NAME_MAX:
        text = f"must be no more than {CRON_NAME_MAX} characters"
        causes.append(invalid("metadata.name", obj.metadata.name, text))
    if not spec.schedule:
        causes.append(required("spec.schedule"))
    elif problem := _schedule(spec.schedule):
        causes.append(invalid("spec.schedule", spec.schedule, problem))
    if spec.concurrency_policy not in POLICIES:
        field = "spec.concurrencyPolicy"
        causes.append(not_supported(field, spec.concurrency_policy or "", POLICIES))
    for field, value in (
        ("startingDeadlineSeconds", spec.starting_deadline_seconds),
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ):
        causes += non_negative(f"spec.{field}", value)
    return causes + list(_job("spec.jobTemplate.spec", spec.job_template.spec))


def _schedule(text: str) -> str:
    fields = text.split()
    if text.startswith("@") or len(fields) == _FIELDS:
        return ""
    return f"expected exactly {_FIELDS} fields, found {len(fields)}: [{' '.join(fields)}]"
