"""One attribute for each kind of item beside rows, marks and leases: who needs one asks for it by name.

Each has its own module, with the key, the value, the reads and the writes.
"""

from __future__ import annotations

from geosync.clock import Clock
from geosync.sync_registry.browsing import Browsing
from geosync.sync_registry.half_copies import HalfCopies
from geosync.sync_registry.overview import Overview
from geosync.sync_registry.owed_index import OwedIndex
from geosync.sync_registry.recount import Recount
from geosync.sync_registry.shared_blobs import SharedBlobItems
from geosync.sync_registry.site.admin_access import AdminAccess
from geosync.sync_registry.site.bandwidth import BandwidthShares
from geosync.sync_registry.site.breaker import Breaker, Limits
from geosync.sync_registry.site.capabilities import RegistryHabits
from geosync.sync_registry.site.catalogue import CatalogueItem
from geosync.sync_registry.site.counters import Counters
from geosync.sync_registry.site.cursor import Cursors
from geosync.sync_registry.site.drills import Drills
from geosync.sync_registry.site.findings import Findings
from geosync.sync_registry.site.heartbeat import Heartbeats, PostedHeartbeats
from geosync.sync_registry.site.history import HistoryItems
from geosync.sync_registry.site.letters import LettersItem
from geosync.sync_registry.site.listing import Listing
from geosync.sync_registry.site.minute import Minutes
from geosync.sync_registry.site.pause import Pauses
from geosync.sync_registry.site.promotions import Promotions
from geosync.sync_registry.site.recovery import RecoveryItems
from geosync.sync_registry.site.reported_rows import ReportedRows
from geosync.sync_registry.site.rows_report_cursor import RowsReportCursor
from geosync.sync_registry.site.rows_walk import RowsWalk
from geosync.sync_registry.site.sample import SampleBudget
from geosync.sync_registry.site.sites import KnownSites
from geosync.sync_registry.site.subscription import SubscriptionItem
from geosync.sync_registry.site.suspected import SuspectedLosses
from geosync.sync_registry.site.sweep import Sweeps
from geosync.sync_registry.site.told import ToldSites
from geosync.sync_registry.site.walks import Walks
from geosync.sync_registry.suspects import Suspects
from geosync.sync_registry.table.changes import Store
from geosync.sync_registry.uploads import UploadItems
from geosync.sync_registry.verification_items import VerificationItems
from geosync.threads import Threads


class ItemAccess:
    """Access to every kind of item of one site, for SyncRegistry."""

    def _open_items(self, store: Store, clock: Clock, limits: Limits, threads: Threads) -> None:
        self.uploads = UploadItems(store, clock)
        """The uploads that one holder leaves under way for the next."""
        self.half_copies = HalfCopies(store)
        self.browsing = Browsing(store)
        self.overview = Overview(store)
        self.owed_index = OwedIndex(store, threads)
        self.admin_access = AdminAccess(store)
        self.bandwidth = BandwidthShares(store, clock)
        self.breaker = Breaker(store, limits, clock)
        self.capabilities = RegistryHabits(store)
        self.catalogue = CatalogueItem(store)
        self.counters = Counters(store)
        self.cursor = Cursors(store)
        self.drills = Drills(store, clock)
        self.findings = Findings(store)
        self.heartbeat = Heartbeats(store)
        self.posted_heartbeat = PostedHeartbeats(store)
        self.history = HistoryItems(store)
        self.letters = LettersItem(store)
        self.listing = Listing(store)
        self.minute = Minutes(store, clock)
        self.pauses = Pauses(store, clock)
        self.promotions = Promotions(store)
        self.recount = Recount(store, clock)
        self.recovery = RecoveryItems(store, clock)
        self.reported_rows = ReportedRows(store)
        self.rows_report_cursor = RowsReportCursor(store)
        self.rows_walk = RowsWalk(store)
        self.sample = SampleBudget(store)
        self.shared_blobs = SharedBlobItems(store, clock)
        self.sites = KnownSites(store)
        self.subscription = SubscriptionItem(store, clock)
        self.suspected = SuspectedLosses(store, clock)
        self.suspects = Suspects(store)
        self.sweep = Sweeps(store, clock)
        self.told = ToldSites(store)
        self.verification = VerificationItems(store)
        self.walks = Walks(store, clock)
