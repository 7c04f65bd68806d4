"""A page of another origin in the operator's browser starts, stops and reads nothing; the operator's own page still does."""

from __future__ import annotations

import json
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.pages.browser import needs_browser

pytestmark = needs_browser

LOCATION, REPOSITORY = "oneclick_pipeline.definitions", "__repository__"
ATTACK = "attack"  # the tag of a run, which says who started it

ATTACKS = """async ({target, bodies}) => {
    const url = (kind) => target + '/graphql?' + new URLSearchParams({query: bodies[kind].query});
    const json = (kind) => JSON.stringify(bodies[kind]);
    const loaded = (element) => new Promise((done) => {
        element.onload = element.onerror = () => done();
        document.body.append(element);
    });
    const make = (name, values) => Object.assign(document.createElement(name), values);
    const element = (name, values) => loaded(make(name, values));
    const read = [];
    const ask = async (kind, where, options) => {
        const answer = await fetch(where, options).catch(() => null);  // refused, or not to be read
        if (answer && answer.type !== 'opaque') read.push(kind + ' ' + await answer.text());
    };
    const form = async (kind, encoding, fields) => {
        const frame = make('iframe', {name: kind});
        const sent = make('form', {method: 'POST', action: url(kind), enctype: encoding, target: kind});
        for (const [name, value] of fields) sent.append(make('input', {name, value}));
        document.body.append(frame, sent);
        const done = new Promise((resolve) => { frame.onload = resolve; });
        sent.submit();
        await done;
    };
    const socket = (kind) => new Promise((done) => {
        const opened = new WebSocket(target.replace('http', 'ws') + '/graphql', 'graphql-ws');
        opened.onopen = () => {
            read.push(kind + ' opened');
            opened.send(JSON.stringify({type: 'connection_init', payload: {}}));
            opened.send(JSON.stringify({id: '1', type: 'start', payload: bodies[kind]}));
        };
        opened.onmessage = (message) => { if (!message.data.includes('connection_ack')) opened.close(); };
        opened.onclose = opened.onerror = () => done();
    });
    const beacon = new Blob([json('beacon')], {type: 'text/plain'});  // the first: nothing tells when it was answered
    navigator.sendBeacon(url('beacon'), beacon);
    await element('img', {src: url('image')});
    await element('script', {src: url('script')});
    await element('link', {rel: 'stylesheet', href: url('stylesheet')});
    await element('iframe', {src: url('frame')});
    await form('form', 'application/x-www-form-urlencoded', [['query', bodies.form.query]]);
    await form('text', 'text/plain', [[json('text').slice(0, -1) + ', "ignored": "', '"}']]);
    const fields = [['operations', json('multipart')], ['map', '{}'], ['query', bodies.multipart.query]];
    await form('multipart', 'multipart/form-data', fields);
    await ask('simple', url('simple'), {mode: 'no-cors'});
    await ask('cors', url('cors'), {headers: {accept: '*/*'}});
    const simple = {method: 'POST', credentials: 'include', mode: 'no-cors', body: json('credentials')};
    await ask('credentials', url('credentials'), simple);
    await ask('plain', target + '/graphql', {method: 'POST', body: json('plain')});
    await ask('json', target + '/graphql', {method: 'POST', headers: {'content-type': 'application/json'}, body: json('json')});
    await ask('report', target + '/report_asset_materialization/drift', {method: 'POST', mode: 'no-cors'});
    await ask('server_info', target + '/server_info', {});
    await socket('socket');
    return read;
}"""
KINDS = ("image", "script", "stylesheet", "frame", "form", "text", "multipart", "simple", "cors", "credentials", "plain", "json",
         "socket", "beacon", "navigation", "window")  # fmt: skip
FRAME = """(src) => new Promise((done) => {
    document.body.append(Object.assign(document.createElement('iframe'), {src, onload: () => done()}));
})"""
NAVIGATION = """([target, query, name]) => {
    const form = Object.assign(document.createElement('form'), {method: 'GET', action: target + '/graphql', target: name});
    form.append(Object.assign(document.createElement('input'), {name: 'query', value: query}));
    document.body.append(form);
    form.submit();
}"""


class _Page(BaseHTTPRequestHandler):
    """An empty page, whatever is asked for."""

    def do_GET(self):
        body = b"<!DOCTYPE html><title>foreign</title><body></body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def foreign():
    """Port of a server of somebody else."""
    with ThreadingHTTPServer((servers.LOOPBACK, 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def page_at(browser, address):
    context = browser.new_context()
    context.set_default_timeout(120_000)
    page = context.new_page()
    try:
        page.goto(address)
        yield page
    finally:
        context.close()


def graphql(address, query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    ) as answer:
        return json.load(answer)["data"]


def sensor(address):
    """Id and status of the sensor that starts the months."""
    query = """query ($s: RepositorySelector!) { sensorsOrError(repositorySelector: $s) { ... on Sensors { results {
        name sensorState { id status } } } } }"""
    found = graphql(address, query, s={"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION})
    (state,) = [one["sensorState"] for one in found["sensorsOrError"]["results"] if one["name"] == "new_snapshot"]
    return state["id"], state["status"]


def runs_by_attack(address):
    """Who has started runs, by the tag that says so."""
    found = graphql(address, "{ runsOrError { ... on Runs { results { tags { key value } } } } }")
    return {tag["value"] for run in found["runsOrError"]["results"] for tag in run["tags"] if tag["key"] == ATTACK}


def body(kind, sensor_id):
    """What an attack asks for: stop the sensor, and start a run that says whose it is."""
    selector = f'{{repositoryLocationName: "{LOCATION}", repositoryName: "{REPOSITORY}", pipelineName: "prepare"}}'
    tags = f'[{{key: "{ATTACK}", value: "{kind}"}}, {{key: "dagster/partition", value: "{homes.MONTH}"}}]'
    parameters = f'{{selector: $S, mode: "default", runConfigData: "{{}}", executionMetadata: {{tags: {tags}}}}}'.replace(
        "$S", selector
    )
    launch = f"launchRun(executionParams: {parameters}) {{ __typename ... on LaunchRunSuccess {{ run {{ id }} }} }}"
    stop = "" if sensor_id is None else f'stopSensor(id: "{sensor_id}") {{ __typename }}'
    return {"query": f"mutation {{ {stop} {launch} }}"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_page_of_another_origin_starts_and_stops_and_reads_nothing(pages, browser, foreign, host):
    target = pages[0]
    sensor_id, before = sensor(target)
    bodies = {kind: body(kind, sensor_id) for kind in KINDS}
    assert before == "RUNNING"
    with page_at(browser, f"http://{host}:{foreign}/") as page:
        with page.expect_request(lambda request: "%22beacon%22" in request.url):
            read = page.evaluate(ATTACKS, {"target": target, "bodies": bodies})
        with page.context.expect_page() as opened:
            page.evaluate(NAVIGATION, [target, bodies["window"]["query"], "_blank"])
        opened.value.wait_for_load_state()
        with page.expect_navigation() as shown:
            page.evaluate(NAVIGATION, [target, bodies["navigation"]["query"], "_self"])
        assert shown.value.status == 403
    assert read == []
    assert runs_by_attack(target) <= {"own"}  # the page's own, where that test came first
    assert sensor(target) == (sensor_id, before)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_page_of_another_origin_may_link_to_a_page_and_not_frame_it(pages, browser, foreign, host):
    with page_at(browser, f"http://{host}:{foreign}/") as page:
        page.evaluate(FRAME, pages[0])
        while not page.frames[1].url:  # the browser tells the driver a moment after it has told the page
            page.wait_for_timeout(10)
        assert page.frames[1].url == "chrome-error://chromewebdata/"  # Chromium's own page, in place of what was refused
        with page.expect_navigation(url=f"{pages[0]}/runs") as shown:
            page.evaluate(
                "to => { document.body.innerHTML = `<a href=${to}>link</a>`; document.querySelector('a').click(); }",
                f"{pages[0]}/runs",
            )
        assert shown.value.status == 200


def test_own_page_starts_a_run(pages, browser):
    """The same mutation, from the page itself: what the attacks ask for is what would work."""
    ask = """async (body) => {
        const options = {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)};
        return await (await fetch('/graphql', options)).json();
    }"""
    with page_at(browser, pages[0]) as page:
        launched = page.evaluate(ask, body("own", None))["data"]["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess"
        stop = 'mutation { terminateRuns(runIds: ["%s"], terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename } }'
        page.evaluate(ask, {"query": stop % launched["run"]["id"]})
    assert "own" in runs_by_attack(pages[0])
