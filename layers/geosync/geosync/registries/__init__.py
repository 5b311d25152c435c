"""What differs from vendor to vendor: how to get in today; later listings with digests, and making repositories.

`secrets` reads the one JSON secret per registry. A vendor whose credentials have to be fetched or exchanged gets a
module of its own here, beside a `type` in the secret, and nothing changes in `oci`:

    ecr      Amazon ECR: GetAuthorizationToken, repositories that must be made first, listings with digests
    acr      Azure Container Registry: the exchange of a refresh token, listings with digests
    gar      Google Artifact Registry: access tokens of a service account, tags before manifests in deletes
    ghcr     GitHub Packages: deletes through GitHub's own API
    gitlab   GitLab's registry: listings with digests

None of these is built yet.
"""
