#!/bin/sh
# Makes the passwords, once, and the file that tells ClickHouse of its users.
#
#   users.sh FOLDER
#
#   FOLDER/errata/password       of ClickHouse's user errata, for ingest and report
#   FOLDER/grafana/password      of ClickHouse's user grafana, who only reads
#   FOLDER/grafana/admin         of Grafana's user admin
#   FOLDER/clickhouse/errata.xml for ClickHouse, which needs no more than the hashes
#
# To change a password, remove its file and run this again; ClickHouse sees the new file by itself.
set -eu
umask 022
cd "$1"
mkdir -p errata grafana clickhouse

# A file is there with all of its content or not at all.
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
