#!/bin/sh
# Creates the passwords, once, and the file with ClickHouse's users.
#
#   users.sh FOLDER
#
#   FOLDER/errata/password       of ClickHouse's user errata, for ingest and report
#   FOLDER/grafana/password      of ClickHouse's user grafana, which may only read
#   FOLDER/grafana/admin         of Grafana's user admin
#   FOLDER/clickhouse/errata.xml for ClickHouse, which needs only the hashes
#
# To change a password, remove its file and run this again. ClickHouse notices the new file.
set -eu
umask 022
cd "$1"
mkdir -p errata grafana clickhouse

# A file appears by a rename, so it is either complete or does not exist.
for file in errata/password grafana/password grafana/admin; do
	if [ ! -s $file ]; then
		head -c 24 /dev/urandom | base64 | tr '+/' '-_' >$file.new
		mv $file.new $file
	fi
done

hash() { tr -d '\n' <"$1" | sha256sum | cut -d ' ' -f 1; }

cat >clickhouse/errata.new <<END
<clickhouse>
    <profiles>
        <errata_reader>
            <readonly>2</readonly>
            <max_execution_time>60</max_execution_time>
        </errata_reader>
    </profiles>
    <users>
        <default remove="remove"/>
        <errata>
            <password_sha256_hex>$(hash errata/password)</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants>
                <query>GRANT ALL ON errata.*</query>
                <query>GRANT SYSTEM SYNC FILE CACHE ON *.*</query>
                <query>GRANT TABLE ENGINE ON Memory</query>
                <query>GRANT TABLE ENGINE ON MergeTree</query>
                <query>GRANT TABLE ENGINE ON ReplacingMergeTree</query>
                <query>GRANT TABLE ENGINE ON AggregatingMergeTree</query>
                <query>GRANT TABLE ENGINE ON SummingMergeTree</query>
            </grants>
        </errata>
        <grafana>
            <password_sha256_hex>$(hash grafana/password)</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>errata_reader</profile>
            <quota>default</quota>
            <grants><query>GRANT SELECT ON errata.*</query></grants>
        </grafana>
    </users>
</clickhouse>
END
mv clickhouse/errata.new clickhouse/errata.xml
