"""The notice for the primary's registry, with which it posts notifications: a file with the address and the token."""

from __future__ import annotations

from geosync.cli.init.answers import SiteAnswers
from geosync.cli.init.samconfig import audience

_DISTRIBUTION = """\
# Into the registry's config.yml; then restart the registry.
notifications:
  endpoints:
    - name: geo_event
      url: {url}
      headers: {{Authorization: [{token}]}}
      timeout: 500ms
      threshold: 5
      backoff: 1s
      ignore:
        actions: [pull]
        mediatypes: [application/octet-stream]
"""
_GITLAB = """\
# Into /etc/gitlab/gitlab.rb of the primary; then: sudo gitlab-ctl reconfigure
# registry['notification_secret'] is no setting of the Linux package: only these headers are sent.
registry['notifications'] = [
  {{
    'name' => 'geosync',
    'url' => '{url}',
    'timeout' => '500ms',
    'threshold' => 5, # from GitLab 18 on: 'maxretries' => 5
    'backoff' => '1s',
    'headers' => {{ 'Authorization' => ['{token}'] }},
    'ignore' => {{ 'actions' => ['pull'], 'mediatypes' => ['application/octet-stream'] }}
  }}
]
"""
_ACR = """\
# Run this once, signed in to Azure.
az acr webhook create --registry {registry} --name geosync --actions push delete --uri {url} \\
  --headers "authorization={token}"
"""
_GHCR = """\
A webhook of the organization or the repository on GitHub:
  Payload URL   {url}
  Content type  application/json
  Secret        {token}
  Events        Registry packages
"""
_HARBOR = """\
A webhook of the project in Harbor, type HTTP:
  Endpoint URL  {url}
  Auth Header   {token}
  Events        Artifact pushed, Artifact deleted
"""
_QUAY = """\
A notification of the repository in Quay, "Push to Repository", method Webhook POST:
  {url_with_token}
"""
_ZOT = """\
# Into the extensions of zot's configuration.
{{"events": {{"enable": true, "sinks": [
  {{"type": "http", "address": "{url}", "credentials": {{"username": "geosync", "password": "{token}"}}}}]}}}}
"""
_GAR = """\
# Run this once, signed in to Google Cloud.
gcloud pubsub subscriptions create geosync --topic=gcr --push-endpoint={url} \\
  --push-auth-service-account={sender} --push-auth-token-audience={audience}
"""
_TEXTS = {
    "distribution": _DISTRIBUTION,
    "gitlab": _GITLAB,
    "acr": _ACR,
    "gar": _GAR,
    "ghcr": _GHCR,
    "harbor": _HARBOR,
    "quay": _QUAY,
    "zot": _ZOT,
}


def has_token(site: SiteAnswers) -> bool:
    """Return whether the site's notice has the token, so that it is not to be left lying about."""
    text = _TEXTS.get(site.kind, "")
    return "{token}" in text or "{url_with_token}" in text


def notice(site: SiteAnswers, url: str, token: str) -> str | None:
    """Return what to configure at the site's registry; None for Amazon ECR, which needs nothing."""
    text = _TEXTS.get(site.kind)
    if text is None:
        return None
    with_token = url.replace("https://", f"https://geosync:{token}@", 1)
    registry = site.registry.partition("://")[2].partition(".")[0]
    return text.format(
        url=url,
        token=token,
        url_with_token=with_token,
        registry=registry,
        sender=site.sender,
        audience=audience(site),
    )
